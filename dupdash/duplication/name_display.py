"""Prepares names from Moodle and from people for display: in one language, and isolated from the text around them."""

import unicodedata

from django.utils.translation import get_language

from dupdash.moodle.multilang import in_language

# FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE do in attributes and plain text what <bdi> does in HTML.
_BEGIN, _END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF"})
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"}) | _CONTROLS


def in_one_language(name: object) -> str:
    """Return the name in the language of the page or, if the name lacks it, in the first language of the name.

    Names in Moodle may contain several languages.
    """
    return in_language(str(name), get_language() or "")


def isolate(name: object) -> str:
    """Return the name as ``in_one_language`` does, between isolating characters if a part is written right to left.

    Direction controls within the name are removed, because they could end the isolation.
    """
    text = in_one_language(name)
    if text.isascii():
        return text
    directions = [unicodedata.bidirectional(character) for character in text]
    if _RIGHT_TO_LEFT.isdisjoint(directions):
        return text
    kept = "".join(character for character, kind in zip(text, directions, strict=True) if kind not in _CONTROLS)
    return f"{_BEGIN}{kept}{_END}"


def plain_line(text: str) -> str:
    """Return the string as one line of plain text, without control characters and direction overrides.

    Keeps the characters that ``isolate`` puts around a name.
    """
    kept = (character for character in text if unicodedata.bidirectional(character) not in _TURNS)
    return "".join(" " if unicodedata.category(character) in _BREAKS else character for character in kept)


def quote_course(fullname: object, shortname: object) -> str:
    """Return both names of a course, to be used in a sentence: “Introduction to Biology” (BIO101)."""
    return f"“{isolate(fullname)}” ({isolate(shortname)})"

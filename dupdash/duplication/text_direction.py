"""Keeps a name written from right to left in its place within a sentence written from left to right."""

import unicodedata

# FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE: what <bdi> is in HTML, for attributes and plain text.
_BEGIN, _END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"}) | _CONTROLS


def isolate(name: object) -> str:
    """The name, enclosed in isolating characters where any of it is written from right to left.

    Direction controls within the name are left out: they could end the isolation.
    """
    text = str(name)
    if text.isascii():
        return text
    directions = [unicodedata.bidirectional(character) for character in text]
    if _RIGHT_TO_LEFT.isdisjoint(directions):
        return text
    kept = "".join(character for character, kind in zip(text, directions, strict=True) if kind not in _CONTROLS)
    return f"{_BEGIN}{kept}{_END}"


def quote_course(fullname: object, shortname: object) -> str:
    """Both names of a course for a sentence: “Introduction to Biology” (BIO101)."""
    return f"“{isolate(fullname)}” ({isolate(shortname)})"

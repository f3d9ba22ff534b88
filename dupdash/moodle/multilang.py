"""Handles names in several languages: checks whether Moodle accepts a name, and selects one language.

Two notations exist: ``<span lang="fr" class="multilang">…</span>`` (Moodle's own filter, which also knows the
older ``<lang lang="fr">…</lang>``) and ``{mlang fr}…{mlang}`` (the filter "Multi-language content (v2)").
"""

import re

# What PHP's strip_tags() treats as a tag: a "<" that is not followed by white space.
_TAG = re.compile(r"<(?![ \t\n\r\f\v])")
_TAG_OR_PAIR = re.compile(rf"{_TAG.pattern}|<[^>]*>")
_SPANS = re.compile(r'<span(?:\s+lang="[a-zA-Z0-9_-]+"|\s+class="multilang"){2}\s*>|(</span>)', re.ASCII)
_LANGS = re.compile(r'<lang lang="[a-zA-Z0-9_-]+"\s*>|(</lang>)', re.ASCII)
_BLOCK = re.compile(
    r'<span(?=[^>]*\sclass="multilang")[^>]*\slang="(?P<span>[\w-]+)"[^>]*>(?P<span_text>.*?)</span>'
    r'|<lang lang="(?P<lang>[\w-]+)"\s*>(?P<lang_text>.*?)</lang>'
    r"|\{\s*mlang\s+(?P<mlang>[\w,\s-]+?)\s*\}(?P<mlang_text>.*?)\{\s*mlang\s*\}",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
# In the notation with braces: the text for all other languages.
_OTHER = "other"


def is_accepted(name: str) -> bool:
    """Return whether Moodle accepts this name for a course, because its cleaning of ``PARAM_TEXT`` would not change it.

    Moodle keeps tags of the multi-language filter that are well-formed and not nested. It refuses all other tags.
    """
    if "</lang>" in name:
        return _holds_only(_LANGS, name)
    if "</span>" in name:
        return _holds_only(_SPANS, name)
    return _TAG.search(name) is None


def _holds_only(tags: re.Pattern[str], name: str) -> bool:
    """Return whether ``name`` contains no other tags than ``tags``, and each of them is opened before it is closed.

    A "<" before white space is text, unless a ">" follows it somewhere.
    """
    is_open = False
    for tag in tags.finditer(name):
        if tag.group(1) and not is_open:
            return False
        is_open = not tag.group(1)
    return not is_open and _TAG_OR_PAIR.search(tags.sub(">", name)) is None


def in_language(name: str, language: str) -> str:
    """Return the name in this language, for example "de_ch".

    If the name has no text in this language, return its text in "de", in the language "other" or in its first language,
    whichever exists first. Text outside the languages' tags is kept.
    """
    blocks = list(_BLOCK.finditer(name))
    if not blocks:
        return name
    chosen = _choose([one for block in blocks for one in _languages(block)], language)
    return " ".join(_BLOCK.sub(lambda block: _text(block) if chosen in _languages(block) else "", name).split())


def _choose(present: list[str], language: str) -> str:
    wanted = language.lower().replace("-", "_")
    for one in (wanted, wanted.split("_")[0], _OTHER):
        if one in present:
            return one
    return present[0]


def _languages(block: re.Match[str]) -> list[str]:
    names = block["span"] or block["lang"] or block["mlang"]
    return [name.strip().lower().replace("-", "_") for name in names.split(",")]


def _text(block: re.Match[str]) -> str:
    return str(block["span_text"] or block["lang_text"] or block["mlang_text"] or "")

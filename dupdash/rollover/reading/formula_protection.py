"""Adds an apostrophe to cells that a spreadsheet would run as a formula, and removes it when a file is read again.

A text that has apostrophes before such a formula gets one more apostrophe. Otherwise ``restore`` could not tell whether
an apostrophe was added or belongs to the text.
"""

import re

# The characters that begin a formula in some spreadsheet program, even after blanks.
_FORMULA = r"[\s\"]*[=+\-@＝＋－＠\t\r\n]"
_DANGEROUS = re.compile(rf"'*{_FORMULA}")
_DEFUSED = re.compile(rf"'('*{_FORMULA})")
# After these characters the next cell begins, if a program separates cells by semicolons or tabs.
_NEXT_DANGEROUS = re.compile(rf"([;\t\r\n])(?='*{_FORMULA})")
_NEXT_DEFUSED = re.compile(rf"([;\t\r\n])'(?='*{_FORMULA})")


def defuse(text: str) -> str:
    """Return the text with an apostrophe at each place where a spreadsheet would start a formula."""
    if not text:
        return text
    text = _NEXT_DANGEROUS.sub(r"\1'", text)
    return f"'{text}" if _DANGEROUS.match(text) else text


def restore(text: str) -> str:
    """Return the text without the apostrophes that ``defuse`` added."""
    if "'" not in text:
        return text
    if _DEFUSED.match(text):
        text = text[1:]
    return _NEXT_DEFUSED.sub(r"\1", text)

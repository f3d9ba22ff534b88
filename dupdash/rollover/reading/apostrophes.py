"""Makes texts harmless for spreadsheets, and takes that back: what is exported can be read in again unchanged.

A cell that begins like a formula gets an apostrophe. So does one that begins with apostrophes and then like a formula:
otherwise nobody could tell which apostrophe was added.
"""

import re

# What begins a formula in one spreadsheet or another, also behind blanks.
_FORMULA = r"[\s\"]*[=+\-@＝＋－＠\t\r\n]"
_DANGEROUS = re.compile(rf"'*{_FORMULA}")
_DEFUSED = re.compile(rf"'('*{_FORMULA})")
# To a spreadsheet that separates cells by semicolons or tabs, the next cell begins there.
_NEXT_DANGEROUS = re.compile(rf"([;\t\r\n])(?='*{_FORMULA})")
_NEXT_DEFUSED = re.compile(rf"([;\t\r\n])'(?='*{_FORMULA})")


def defuse(text: str) -> str:
    """The text, with an apostrophe wherever a spreadsheet would begin to calculate."""
    if not text:
        return text
    text = _NEXT_DANGEROUS.sub(r"\1'", text)
    return f"'{text}" if _DANGEROUS.match(text) else text


def restore(text: str) -> str:
    """The text as it was before ``defuse``."""
    if "'" not in text:
        return text
    if _DEFUSED.match(text):
        text = text[1:]
    return _NEXT_DEFUSED.sub(r"\1", text)

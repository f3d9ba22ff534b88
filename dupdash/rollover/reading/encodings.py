"""Finds out how the text of a file is encoded: UTF-8, UTF-16 ("Unicode text" of Excel) or Windows-1252."""

import codecs
from dataclasses import dataclass

from dupdash.rollover.reading.errors import UnreadableFile

UTF_8, UTF_16, WINDOWS_1252 = "UTF-8", "UTF-16", "Windows-1252"
# The longest mark first: that of UTF-16 begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", UTF_16),
    (codecs.BOM_UTF16_BE, "utf-16-be", UTF_16),
)
# So many bytes tell whether every other one is NUL, as in UTF-16 without a mark.
_LOOKED_AT = 2000


class Undecodable(Exception):
    """A byte that is no part of a text. ``before``: the text up to it; ``tried``: the names of the encodings."""

    def __init__(self, byte: int, before: str, tried: list[str]) -> None:
        self.byte, self.before, self.tried = byte, before, tried
        super().__init__(f"0x{byte:02X}")


@dataclass(frozen=True)
class Decoded:
    """The text of a file and the name of its encoding."""

    text: str
    encoding: str


def decode(content: bytes) -> Decoded:
    """The text of a file. Raises Undecodable, and UnreadableFile for what is no text."""
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            return _strictly(content[len(mark) :], codec, name)
    if codec := _utf_16_without_mark(content):
        return _strictly(content, codec, UTF_16)
    if b"\0" in content:
        raise UnreadableFile("This is not a text file. Save the list as CSV or as an Excel workbook (.xlsx).")
    try:
        return Decoded(content.decode("utf-8"), UTF_8)
    except UnicodeDecodeError as error:
        if _is_damaged_utf_8(content):
            raise _undecodable(content, error.start, [UTF_8], "utf-8") from None
    try:
        return Decoded(content.decode("cp1252"), WINDOWS_1252)
    except UnicodeDecodeError as error:
        raise _undecodable(content, error.start, [UTF_8, WINDOWS_1252], "latin-1") from None


def _strictly(content: bytes, codec: str, name: str) -> Decoded:
    try:
        return Decoded(content.decode(codec), name)
    except UnicodeDecodeError as error:
        raise _undecodable(content, error.start, [name], codec) from None


def _utf_16_without_mark(content: bytes) -> str:
    """The codec of a text whose every other byte is NUL, as of European texts in UTF-16; "" for any other."""
    start = content[:_LOOKED_AT]
    even, odd = start[::2], start[1::2]
    if len(start) < 4 or not odd:
        return ""
    if odd.count(0) > 0.6 * len(odd) and 0 not in even:
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > 0.6 * len(even) and 0 not in odd else ""


def _is_damaged_utf_8(content: bytes) -> bool:
    """Whether more of the bytes that are not ASCII form characters of UTF-8 than not: few texts do so by chance."""
    text = content.decode("utf-8", "surrogateescape")
    stray = sum("\udc80" <= character <= "\udcff" for character in text)
    beyond_ascii = sum(character > "\x7f" for character in text)
    return beyond_ascii - stray > stray


def _undecodable(content: bytes, at: int, tried: list[str], codec: str) -> Undecodable:
    return Undecodable(content[at], content[:at].decode(codec, "replace"), tried)

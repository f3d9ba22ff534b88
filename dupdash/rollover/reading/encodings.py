"""Detects the encoding of a text file: UTF-8, UTF-16 ("Unicode text" of Excel) or Windows-1252."""

import codecs

from dupdash.rollover.reading.errors import UnreadableFile

UTF_8, UTF_16, WINDOWS_1252 = "UTF-8", "UTF-16", "Windows-1252"
# The longest byte order mark first, because the mark of UTF-32 begins with the mark of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", UTF_16),
    (codecs.BOM_UTF16_BE, "utf-16-be", UTF_16),
)
# This many bytes are examined. In UTF-16 without a byte order mark every other byte is NUL.
_LOOKED_AT = 2000


class Undecodable(Exception):
    """A byte is invalid in each encoding that was tried. ``before``: the text before it. ``tried``: their names."""

    def __init__(self, byte: int, before: str, tried: list[str]) -> None:
        self.byte, self.before, self.tried = byte, before, tried
        super().__init__(f"0x{byte:02X}")


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    Raises Undecodable, and UnreadableFile if it is not a text file.
    """
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            return _strictly(content[len(mark) :], codec, name)
    if codec := _utf_16_without_mark(content):
        return _strictly(content, codec, UTF_16)
    if b"\0" in content:
        raise UnreadableFile("This is not a text file. Save the list as CSV or as an Excel workbook (.xlsx).")
    try:
        return content.decode("utf-8"), UTF_8
    except UnicodeDecodeError as error:
        if _is_damaged_utf_8(content):
            raise _undecodable(content, error.start, [UTF_8], "utf-8") from None
    try:
        return content.decode("cp1252"), WINDOWS_1252
    except UnicodeDecodeError as error:
        raise _undecodable(content, error.start, [UTF_8, WINDOWS_1252], "latin-1") from None


def _strictly(content: bytes, codec: str, name: str) -> tuple[str, str]:
    try:
        return content.decode(codec), name
    except UnicodeDecodeError as error:
        raise _undecodable(content, error.start, [name], codec) from None


def _utf_16_without_mark(content: bytes) -> str:
    """Return the UTF-16 codec for data in which every other byte is NUL, like European texts; "" for other data."""
    start = content[:_LOOKED_AT]
    even, odd = start[::2], start[1::2]
    if len(start) < 4 or not odd:
        return ""
    if odd.count(0) > 0.6 * len(odd) and 0 not in even:
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > 0.6 * len(even) and 0 not in odd else ""


def _is_damaged_utf_8(content: bytes) -> bool:
    """Return whether most of the non-ASCII bytes form valid UTF-8 characters, which rarely happens by chance."""
    text = content.decode("utf-8", "surrogateescape")
    stray = sum("\udc80" <= character <= "\udcff" for character in text)
    beyond_ascii = sum(character > "\x7f" for character in text)
    return beyond_ascii - stray > stray


def _undecodable(content: bytes, at: int, tried: list[str], codec: str) -> Undecodable:
    return Undecodable(content[at], content[:at].decode(codec, "replace"), tried)

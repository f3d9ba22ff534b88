"""Writes answers and errors as JSON or XML, byte for byte as Moodle 4.5.6 does (compared with captured answers).

JSON is written as PHP's ``json_encode`` does: ASCII, no blanks, escaped slashes. XML uses Moodle's elements RESPONSE,
SINGLE, MULTIPLE, KEY and VALUE. Characters that XML forbids are left out, so that the answer can always be parsed.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from dupdash.gateway.errors import ServiceError

JSON = "application/json"
XML = "application/xml; charset=utf-8"
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'

# All characters that XML 1.0 does not allow. It allows a carriage return, which parsers turn into a line feed.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def answer(value: object, restformat: str) -> tuple[str, bytes]:
    """Return the content type and the body of a response without an error."""
    if restformat == "json":
        return JSON, _json(value)
    return XML, _xml(f"<RESPONSE>\n{''.join(_elements(value))}</RESPONSE>\n")


def error(error: ServiceError, restformat: str) -> tuple[str, bytes]:
    """Return the content type and the body of an error response."""
    fields = {"errorcode": error.errorcode, "message": error.message}
    if error.debuginfo:
        fields["debuginfo"] = error.debuginfo
    if restformat == "json":
        return JSON, _json({"exception": error.exception, **fields})
    lines = "".join(f"<{key.upper()}>{_text(words)}</{key.upper()}>\n" for key, words in fields.items())
    return XML, _xml(f'<EXCEPTION class="{_text(error.exception)}">\n{lines}</EXCEPTION>\n')


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("/", "\\/").encode("ascii")


def _xml(text: str) -> bytes:
    return (_XML_HEAD + text).encode("utf-8")


def _elements(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield "<SINGLE>\n"
        for key, inner in value.items():
            yield f'<KEY name="{_text(str(key))}">'
            yield from _elements(inner)
            yield "</KEY>\n"
        yield "</SINGLE>\n"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield "<MULTIPLE>\n"
        for inner in value:
            yield from _elements(inner)
        yield "</MULTIPLE>\n"
    elif value is None:
        yield '<VALUE null="null"/>\n'
    else:
        # PHP writes true as 1.
        yield f"<VALUE>{_text(str(int(value) if isinstance(value, bool) else value))}</VALUE>\n"


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("", text), {'"': "&quot;"})

"""Implements Moodle's REST protocol: parses flattened parameters, and renders answers as JSON or XML."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from dupdash.sandbox.errors import SimulatedError
from dupdash.sandbox.http_messages import Response

# The value of a declared key that an answer leaves out. JSON then lacks the key, and XML has an empty element for it
# (``usersessionscount`` in site_info.json and site_info_as_xml.json).
OMITTED = object()

XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_PART = re.compile(r"\[([^\[\]]*)\]")


def parse_fields(query: str, body: bytes) -> list[tuple[str, str]]:
    """Return the fields of the query string, then those of the body. Bytes that are not UTF-8 become surrogates."""
    return _pairs(query) + _pairs(body.decode("ascii", "surrogateescape"))


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    return [(_as_utf8(name), _as_utf8(value)) for name, value in pairs]


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def unflatten(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """Turn ``options[0][name]=users`` into ``{"options": {"0": {"name": "users"}}}``, as PHP fills ``$_POST``."""
    tree: dict[str, Any] = {}
    for name, value in fields:
        match = _NAME.match(name)
        path = [match[1], *_PART.findall(match[2])] if match else [name]
        branch = tree
        for part in path[:-1]:
            key = part or str(len(branch))
            inner = branch.get(key)
            if not isinstance(inner, dict):
                inner = branch[key] = {}
            branch = inner
        branch[path[-1] or str(len(branch))] = value
    return tree


def escape_name(name: str) -> str:
    """Escape a name like Moodle's ``format_string()``: remove tags, and HTML-escape everything but quotes.

    An ampersand that begins an entity is not changed. See course_names_are_html_escaped.json.
    """
    name = re.sub(r"<(?!\s)[^>]*>?", "", name)
    name = re.sub(r"&(?![a-zA-Z0-9#]{1,8};)", "&amp;", name)
    return name.replace("<", "&lt;").replace(">", "&gt;")


def answer(value: Any, restformat: str) -> Response:
    if restformat == "json":
        return _json(value)
    return _xml(f"{XML_HEAD}<RESPONSE>\n{_xml_value(value) if value is not None else ''}</RESPONSE>\n")


def error_answer(error: SimulatedError, restformat: str) -> Response:
    if restformat == "json":
        fields = {"exception": error.exception, "errorcode": error.errorcode, "message": error.message}
        return _json({key: value for key, value in fields.items() if value is not None})
    code = f"<ERRORCODE>{_xml_text(error.errorcode)}</ERRORCODE>\n" if error.errorcode is not None else ""
    return _xml(
        f'{XML_HEAD}<EXCEPTION class="{_xml_text(error.exception)}">\n'
        f"{code}<MESSAGE>{_xml_text(error.message)}</MESSAGE>\n</EXCEPTION>\n"
    )


def php_json(value: Any) -> bytes:
    """Encode a value like PHP's ``json_encode()``: ASCII only, without spaces, with escaped slashes."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def _json(value: Any) -> Response:
    return Response(200, "application/json", php_json(_without_omitted(value)))


def _without_omitted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_omitted(inner) for key, inner in value.items() if inner is not OMITTED}
    if isinstance(value, list):
        return [_without_omitted(inner) for inner in value]
    return value


def _xml(text: str) -> Response:
    return Response(200, "application/xml; charset=utf-8", text.encode("utf-8", "replace"))


def _xml_value(value: Any) -> str:
    if isinstance(value, dict):
        keys = "".join(f'<KEY name="{key}">{_xml_value(inner)}</KEY>\n' for key, inner in value.items())
        return f"<SINGLE>\n{keys}</SINGLE>\n"
    if isinstance(value, list):
        return f"<MULTIPLE>\n{''.join(_xml_value(inner) for inner in value)}</MULTIPLE>\n"
    if value is None or value is OMITTED:
        return '<VALUE null="null"/>\n'
    if isinstance(value, bool):
        value = int(value)
    return f"<VALUE>{_xml_text(str(value))}</VALUE>\n"


def _xml_text(text: str) -> str:
    return escape(text, {'"': "&quot;"})

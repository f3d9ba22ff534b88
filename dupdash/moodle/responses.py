"""From an HTTP answer to decoded JSON, or to the error that the answer is.

Moodle says everything, errors too, with HTTP 200 and a JSON body (measured on Moodle 4.5.6). Whatever else
arrives was said by something between Moodle and us, or by a PHP that broke down, and proves nothing about
what Moodle did.
"""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from dupdash.moodle.errors import ADVICE, ConfigurationFault, MoodleError, NoTrustworthyAnswer, refusal
from dupdash.moodle.parsing import clean

_TITLE = re.compile(rb"<title[^>]*>(.{1,400}?)</title", re.IGNORECASE | re.DOTALL)
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    reason: str
    location: str
    body: bytes


def understood(
    answer: Answer, *, function: str, site_url: str, hide: Callable[[str], str], duplicating: bool
) -> object | MoodleError:
    """The decoded JSON of a good answer, else the error that it is (not raised).

    ``hide`` takes the token out of a text; ``duplicating`` says that the request was one that makes a course.
    """

    def shown(text: str, limit: int) -> str:
        text = _NOT_PRINTABLE.sub(" ", clean(hide(text))).strip()
        return text if len(text) <= limit else text[: limit - 1] + "…"

    if answer.status != 200:
        return _other_status(answer, function, site_url, shown)
    try:
        value = _decoded(answer.body)
    except (ValueError, RecursionError):
        return NoTrustworthyAnswer(_looks_like(answer.body, shown), function=function)
    if isinstance(value, dict) and "exception" in value:
        errorcode, message = (
            item if isinstance(item, str) else "" for item in map(value.get, ("errorcode", "message"))
        )
        # As shown, not as a page: Moodle's words may hold names, and those arrive escaped.
        words = shown(html.unescape(message), 500)
        return refusal(function, shown(errorcode, 100), words, duplicating=duplicating)
    return value


def _decoded(body: bytes) -> object:
    """Strict JSON in UTF-8; raises ValueError or RecursionError."""

    def no_number(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(body.decode("utf-8"), parse_constant=no_number)


def _other_status(answer: Answer, function: str, site_url: str, shown: Callable[[str, int], str]) -> MoodleError:
    status = answer.status
    if status in (301, 302, 303, 307, 308):
        # The web server answers these before Moodle's function runs. Not followed: the token would go along.
        target = shown(answer.location, 200) or "another address"
        return ConfigurationFault(
            f"{site_url} sends requests on to {target} (HTTP {status}).",
            function=function,
            advice="Set MOODLE_URL to the address at which the site really answers.",
        )
    if status == 503 and "moodle under maintenance" in answer.reason.lower():
        # Said by Moodle's lib/setup.php before anything else runs, while `maintenance.php --enable` is in
        # force.
        return ConfigurationFault(
            "The site is under maintenance (HTTP 503).", function=function, advice=ADVICE["sitemaintenance"]
        )
    faults = {
        401: (
            "asks for a user name and a password before Moodle is reached",
            "Let requests for /webservice/rest/server.php through without them.",
        ),
        403: (
            "does not allow web services",
            "In Moodle, under Site administration, Server, Web services, Overview, enable web services and "
            "the REST protocol; if they are enabled, look for a firewall before the site.",
        ),
        404: (
            "has no Moodle web service at this address",
            "Check MOODLE_URL: it must be the address of the Moodle site itself, with its path if it has one.",
        ),
        407: (
            "is behind a proxy that asks for a user name and a password",
            "Check the proxy settings of this machine.",
        ),
    }
    if status in faults:
        what, advice = faults[status]
        return ConfigurationFault(f"{site_url} {what} (HTTP {status}).", function=function, advice=advice)
    detail = f"HTTP {status}"
    if answer.body.strip():
        detail += f", {_looks_like(answer.body, shown)}"
    return NoTrustworthyAnswer(detail, function=function, detail=f"HTTP {status}")


def _looks_like(body: bytes, shown: Callable[[str, int], str]) -> str:
    """What a body that is no JSON answer seems to be, in a few words."""
    start = body[:2048].strip().lower()
    if not start:
        return "an empty body"
    if start.startswith(b"\xef\xbb\xbf"):
        return "a body with a byte order mark"
    if start.startswith((b"<br", b"<b>", b"php ", b"warning:", b"notice:", b"fatal error:")):
        return "messages of PHP instead of an answer"
    if start.startswith(b"<?xml"):
        return "XML instead of JSON"
    if start.startswith(b"<"):
        title = _TITLE.search(body[:65536])
        words = shown(html.unescape(title[1].decode("utf-8", "replace")), 80) if title else ""
        return f"an HTML page (“{words}”)" if words else "an HTML page"
    if start.startswith((b"{", b"[")):
        return "JSON that is broken or cut short"
    return "a body that is not JSON"

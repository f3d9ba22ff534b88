"""Decodes the HTTP answer of a Moodle into JSON, or into the error that the answer reports.

Moodle sends all its answers, errors too, with HTTP 200 and a JSON body (measured on Moodle 4.5.6). Any other answer
comes from something between Moodle and dupdash, or from a PHP process that broke down. It proves nothing about what
Moodle did.
"""

import email.utils
import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from dupdash.moodle.errors import (
    ADVICE,
    INTERMEDIARY,
    ConfigurationFault,
    MoodleError,
    NoTrustworthyAnswer,
    RawError,
    error_of_answer,
)
from dupdash.moodle.unstorable_characters import storable_text

RETRY_AFTER_LONGEST = 3600.0
"""Seconds. If a site names a longer time to wait, dupdash asks it again after this time."""

_TITLE = re.compile(rb"<title[^>]*>(.{1,400}?)</title", re.IGNORECASE | re.DOTALL)
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_SECRETS = re.compile(
    r"((?:\b|_)(?:ws|private|csrf)?(?:token|sesskey|password|userprivateaccesskey)\b[\"']?\s*(?:=>?|:)\s*[\"']?)[^\s\"'&,;<>]+",
    re.IGNORECASE,
)
_NOTICES = ("<", "php ", "warning:", "notice:", "deprecated:", "fatal error:")
# How many characters may precede the JSON of an answer, and how many times the search for it may fail.
_NOTICES_LONGEST = 1024 * 1024
_ATTEMPTS = 200


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    reason: str
    location: str
    retry_after: str
    body: bytes


def decode(
    answer: Answer,
    *,
    function: str,
    site_url: str,
    hide: Callable[[str], str],
    duplicating: bool,
    note: Callable[[str], None] = lambda text: None,
) -> object | MoodleError:
    """Return the decoded JSON of a good answer, otherwise the error that it reports (returned, not raised).

    ``hide``: removes the token from a string. ``duplicating``: whether the request was to copy a course. ``note``:
    receives a sentence about text in front of the JSON that was ignored.
    """

    def shown(text: str, limit: int) -> str:
        return _cut(_NOT_PRINTABLE.sub(" ", storable_text(hide(text))).strip(), limit)

    result = _read(answer, function, site_url, shown, note)
    if isinstance(result, MoodleError):
        result.retry_after = _seconds(answer.retry_after)
        return result
    if not isinstance(result, dict) or not _is_error(result):
        return result
    words = _words(result, hide)
    # Moodle's message may hold names, and those arrive HTML-escaped.
    message = shown(html.unescape(words.message), 500)
    error = error_of_answer(function, shown(words.errorcode, 100), message, duplicating=duplicating)
    error.raw_error = words
    return error


def _read(
    answer: Answer,
    function: str,
    site_url: str,
    shown: Callable[[str, int], str],
    note: Callable[[str], None],
) -> object | MoodleError:
    if answer.status != 200:
        return _other_status(answer, function, site_url, shown)
    try:
        return _decoded(answer.body)
    except (ValueError, RecursionError):
        pass
    try:
        value, notices = _decoded_after_notices(answer.body)
    except (ValueError, RecursionError):
        return NoTrustworthyAnswer(_looks_like(answer.body, shown), function=function)
    text = shown(html.unescape(re.sub(r"<[^>]*>", " ", notices)), 200)
    note(f"{function}: ignored the text in front of the JSON: “{text}”")
    return value


def _is_error(value: dict[str, object]) -> bool:
    """Return whether an object is an error, in the form of the web services or in that of Moodle's other scripts."""
    return "exception" in value or ("error" in value and isinstance(value.get("errorcode"), str))


def _words(value: dict[str, object], hide: Callable[[str], str]) -> RawError:
    def sent(key: str, limit: int) -> str:
        item = value.get(key)
        text = item if isinstance(item, str) else ""
        return _cut(_SECRETS.sub(r"\1…", _CONTROL.sub(" ", storable_text(hide(text)))), limit)

    return RawError(sent("errorcode", 100), sent("message", 2000) or sent("error", 2000), sent("debuginfo", 4000))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _seconds(retry_after: str) -> float | None:
    """Return the seconds to wait according to a Retry-After header, which contains a number of seconds or a date.

    Returns at most RETRY_AFTER_LONGEST; None if the header is empty or cannot be read.
    """
    text = retry_after.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        seconds = float(text[:10])
    else:
        try:
            seconds = (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), RETRY_AFTER_LONGEST)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _decoded(body: bytes) -> object:
    """Return strict JSON in UTF-8 as Python objects.

    A byte order mark is skipped. Raises ValueError or RecursionError.
    """
    return json.loads(body.decode("utf-8-sig"), parse_constant=_no_number)


def _decoded_after_notices(body: bytes) -> tuple[object, str]:
    """Return the JSON at the end of an answer that begins with HTML or with PHP messages, and those messages.

    Raises ValueError or RecursionError if there is no JSON, or if it is ambiguous: there is a second JSON value, or an
    empty list, which may be a part of the messages.
    """
    text = body.decode("utf-8-sig").strip()
    if not text.lower().startswith(_NOTICES) or text.lower().startswith("<?xml") or text[-1] not in "}]":
        raise ValueError("no JSON after messages")
    decoder = json.JSONDecoder(parse_constant=_no_number)
    position, failures = 0, 0
    while failures < _ATTEMPTS:
        found = re.compile(r"[\[{]").search(text, position, _NOTICES_LONGEST)
        if found is None:
            break
        try:
            value, end = decoder.raw_decode(text, found.start())
        except ValueError:
            position, failures = found.end(), failures + 1
            continue
        is_answer = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))
        if is_answer and end == len(text):
            return value, text[: found.start()]
        if is_answer:
            raise ValueError("more than one JSON value")
        position = end
    raise ValueError("no JSON after messages")


def _other_status(answer: Answer, function: str, site_url: str, shown: Callable[[str, int], str]) -> MoodleError:
    status = answer.status
    if status in (301, 302, 303, 307, 308):
        # The web server answers these before Moodle's function runs. Following them would send the token along.
        target = shown(answer.location, 200) or "another URL"
        return ConfigurationFault(
            f"{site_url} redirects to {target} (HTTP {status}).",
            function=function,
            advice="Set MOODLE_URL to the URL to which the site redirects.",
        )
    if status == 503 and "moodle under maintenance" in answer.reason.lower():
        # Moodle's lib/setup.php sends this before anything else runs, while `maintenance.php --enable` is in force.
        return ConfigurationFault(
            "The site is under maintenance (HTTP 503).", function=function, advice=ADVICE["sitemaintenance"]
        )
    page = _looks_like(answer.body, shown) if answer.body.strip() else ""
    if status == 403 and page:
        # Moodle itself answers 403 without a page if web services are off.
        return ConfigurationFault(
            f"{INTERMEDIARY} in front of {site_url} answered in place of Moodle: HTTP 403, {page}.",
            function=function,
            advice="Allow requests from this server to /webservice/rest/server.php there. They have the User-Agent "
            "“dupdash/…”.",
        )
    faults = {
        401: (
            "asks for a user name and a password before Moodle is reached",
            "Allow requests for /webservice/rest/server.php without them.",
        ),
        403: (
            "does not allow web services",
            "In Moodle, under Site administration, Server, Web services, Overview, enable web services and "
            "the REST protocol. If they are enabled, check whether a firewall in front of the site refuses requests.",
        ),
        404: (
            "has no Moodle web service at this URL",
            "Check MOODLE_URL: it must be the URL of the Moodle site itself, with its path if it has one.",
        ),
        407: (
            "is behind a proxy that asks for a user name and a password",
            "Check the proxy settings of this machine.",
        ),
    }
    if status in faults:
        what, advice = faults[status]
        return ConfigurationFault(f"{site_url} {what} (HTTP {status}).", function=function, advice=advice)
    message = f"HTTP {status}, {page}" if page else f"HTTP {status}"
    return NoTrustworthyAnswer(message, function=function, detail=f"HTTP {status}", intermediary=status >= 400)


def _looks_like(body: bytes, shown: Callable[[str, int], str]) -> str:
    """Return a few words that say what a body that is not JSON seems to be."""
    start = body[:2048].strip().lower()
    if not start:
        return "an empty body"
    if start.startswith((b"<br", b"<b>", b"php ", b"warning:", b"notice:", b"fatal error:")):
        return "PHP messages instead of an answer"
    if start.startswith(b"<?xml"):
        return "XML instead of JSON"
    if start.startswith(b"<"):
        title = _TITLE.search(body[:65536])
        words = shown(html.unescape(title[1].decode("utf-8", "replace")), 80) if title else ""
        return f"an HTML page (“{words}”)" if words else "an HTML page"
    if start.startswith((b"{", b"[")):
        return "JSON that is broken or cut short"
    return "a body that is not JSON"

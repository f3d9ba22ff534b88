"""Asks a Moodle site whether a username and a password belong together (``login/token.php``).

The token in the answer is thrown away. Failures are returned as values, as in transport.py, because an exception of
requests contains the request, whose body contains the password.
"""

import json
from enum import StrEnum
from urllib.parse import urlencode

import requests
from urllib3.exceptions import HTTPError

from dupdash.moodle.connections import new_session
from dupdash.moodle.site_url import checked_site_url
from dupdash.moodle.transport import USER_AGENT, Secret, Timeouts

ENDPOINT = "/login/token.php"
BODY_LONGEST = 65_536
# Moodle's error codes for a wrong password, and for an account that is suspended or not confirmed.
_WRONG = frozenset({"invalidlogin", "usernotconfirmed", "suspended"})


class PasswordAnswer(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    # No answer, or one that says nothing about the password: the site is away, or does not offer this.
    NONE = "none"


def check_password(site_url: str, username: str, password: Secret, service: str, timeouts: Timeouts) -> PasswordAnswer:
    """Return the site's answer to a username and a password. They are sent once, and not after a redirect.

    ``service``: the short name of a web service for which this account may have a token.
    """
    try:
        form = urlencode({"username": username, "password": password.reveal(), "service": service})
    except UnicodeEncodeError:
        return PasswordAnswer.WRONG
    try:
        body = _post(checked_site_url(site_url) + ENDPOINT, form, timeouts)
        answer = json.loads(body)
    except (requests.RequestException, HTTPError, OSError, ValueError):
        return PasswordAnswer.NONE
    if not isinstance(answer, dict):
        return PasswordAnswer.NONE
    if isinstance(answer.get("token"), str) and answer["token"] and not answer.get("errorcode"):
        return PasswordAnswer.RIGHT
    return PasswordAnswer.WRONG if answer.get("errorcode") in _WRONG else PasswordAnswer.NONE


def _post(url: str, form: str, timeouts: Timeouts) -> bytes:
    """Return the body of an answer with status 200. For any other status it is empty."""
    headers = {"User-Agent": USER_AGENT, "Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
    with (
        new_session() as session,
        session.post(
            url,
            data=form,
            headers=headers,
            timeout=(timeouts.connect, timeouts.read),
            allow_redirects=False,
            stream=True,
        ) as response,
    ):
        if response.status_code != 200:
            return b""
        body: bytes = response.raw.read(BODY_LONGEST, decode_content=True)
        return body

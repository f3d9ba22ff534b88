"""Tests that the web process answers requests that claim any charset."""

import json
from io import BytesIO

import pytest
from django.contrib.auth.models import User
from django.core.servers.basehttp import get_internal_wsgi_application
from django.test import RequestFactory

from dupdash.accounts import tokens
from dupdash.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)

SERVICE = "/webservice/rest/server.php"
# Charsets in several spellings. Django would decode the whole request with them, or fail.
CLAIMS = [
    "charset=base64",
    "charset=utf-7",
    "charset=utf-16",
    "charset=idna",
    'CharSet = "unicode_escape"',
    "charset*=utf-8''base64",
    "charset*0=base; charset*1=64",
    "x*=nonsense''y",
]


def served(method: str, address: str, kind: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request to the WSGI application directly, because the test client bypasses it."""
    environ = RequestFactory().generic(method, address, body).environ
    environ |= {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
    told: list[str] = []
    answer = application(environ, lambda status, headers, *rest: told.append(status))  # type: ignore[arg-type, return-value]
    content = b"".join(answer)
    answer.close()
    return int(told[0].split()[0]), content


@pytest.mark.parametrize("claimed", CLAIMS)
def test_unknown_charset_gets_an_answer(claimed: str) -> None:
    code, page = served("GET", "/sign-in/?next=/jobs/%3Fq%3D%2B2AA-%5Cud800", f"text/plain; {claimed}")
    assert code == 200
    assert b"password" in page


@pytest.mark.parametrize("claimed", CLAIMS)
@pytest.mark.parametrize("boundary", ["boundary=B", 'Boundary = "B"'])
def test_form_is_read_as_utf_8_with_any_charset(administrator: User, claimed: str, boundary: str) -> None:
    _, token = tokens.make(administrator, "a program")
    form = {"wstoken": token, "wsfunction": "nö", "moodlewsrestformat": "json"}
    part = '--B\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(*pair) for pair in form.items()) + "--B--\r\n"
    for kind in (f"multipart/form-data; {boundary}; {claimed}", f"multipart/form-data; {claimed}; {boundary}"):
        code, answer = served("POST", SERVICE, kind, body.encode())
        assert code == 200
        # The token was read, and the function does not exist.
        assert json.loads(answer)["errorcode"] == "invalidrecord"


def test_development_server_uses_the_same_application() -> None:
    assert get_internal_wsgi_application() is application

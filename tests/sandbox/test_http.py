"""Tests the HTTP server of the sandbox: kept-alive connections, invalid requests, and HTML pages."""

from __future__ import annotations

import socket

import pytest
import requests

from .support import SOURCE, Caller


def exchange(moodle: Caller, sent: bytes) -> bytes:
    """Send bytes on a new connection. Returns the answer up to the end of the connection."""
    host, _, port = moodle.sandbox.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def test_connection_serves_many_requests(moodle: Caller) -> None:
    request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    assert exchange(moodle, request + request + last).count(b"HTTP/1.1 200 OK") == 3


def test_connection_of_http_1_0_is_closed(moodle: Caller) -> None:
    assert exchange(moodle, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_head_has_no_body(moodle: Caller) -> None:
    received = exchange(moodle, b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n", b"431"),
    ],
)
def test_invalid_http_is_refused(moodle: Caller, sent: bytes, status: bytes) -> None:
    assert exchange(moodle, sent).split(b" ")[1] == status


def test_front_page_lists_the_courses(moodle: Caller) -> None:
    page = requests.get(f"{moodle.sandbox.url}/", timeout=20)
    assert page.headers["Content-Type"].startswith("text/html")
    assert f"/course/view.php?id={moodle.source.id}" in page.text
    assert "AT&amp;T" in page.text


def test_course_page_shows_the_course(moodle: Caller) -> None:
    page = requests.get(f"{moodle.sandbox.url}/course/view.php?id={moodle.source.id}", timeout=20)
    assert SOURCE in page.text
    assert "Announcements" in page.text


@pytest.mark.parametrize("path", ["/nowhere", "/course/view.php", "/course/view.php?id=99999", "/course/view.php?id=x"])
def test_page_that_does_not_exist_is_a_404(moodle: Caller, path: str) -> None:
    assert requests.get(moodle.sandbox.url + path, timeout=20).status_code == 404

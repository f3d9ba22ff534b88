"""Reads HTTP/1.1 requests from a socket and writes the answers, with keep-alive and ``Content-Length``, like nginx.

It does not use ``http.server``, because the faults need direct access to the socket, for example to reset a connection.
"""

import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO

LINE_LONGEST = 65536
HEADERS_MOST = 200
BODY_LONGEST = 16 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    body: bytes
    keep_alive: bool


@dataclass(frozen=True)
class Response:
    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reset:
    """Close the connection with RST instead of an answer."""


class BadRequest(Exception):
    """The request is not valid HTTP; it is answered with ``status``."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def read_request(stream: BinaryIO) -> Request | None:
    """Read the next request of a connection. Returns None if the client has closed the connection."""
    line = stream.readline(LINE_LONGEST)
    while line in (b"\r\n", b"\n"):
        line = stream.readline(LINE_LONGEST)
    if not line:
        return None
    # Bytes that are not ASCII become surrogates, as in a body.
    parts = line.decode("ascii", "surrogateescape").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest(400)
    method, target, version = parts
    headers = _read_headers(stream)
    if "transfer-encoding" in headers:
        raise BadRequest(411)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_LONGEST:
        raise BadRequest(400)
    body = stream.read(int(length))
    if len(body) < int(length):
        return None  # The client disconnected while it was sending the request.
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
    path, _, query = target.partition("?")
    return Request(method, path, query, body, keep_alive)


def _read_headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(HEADERS_MOST):
        line = stream.readline(LINE_LONGEST).decode("latin-1").strip()
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    raise BadRequest(431)


def write_response(connection: socket.socket, response: Response, keep_alive: bool, head_only: bool) -> None:
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in response.headers)
        + f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
    )
    connection.sendall(head.encode("latin-1") + (b"" if head_only else response.body))


def reset(connection: socket.socket) -> None:
    """Set up the socket so that closing it sends RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

"""Runs a server on a real socket, to test resets, stalls, partial answers and reused connections."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """A request that a step must answer. ``connection`` is the number of the connection, counted from 1."""

    sock: socket.socket
    connection: int
    stopping: threading.Event
    request: bytes = b""


@dataclass
class Step:
    """Defines how the server answers one request. ``run`` returns whether the connection stays open."""

    run: Callable[[Exchange], bool]
    reads: bool = True
    """Whether the request is read first."""


@dataclass
class Server:
    steps: Sequence[Step]
    tls: str | None = None
    """A file with a certificate and its key."""
    seen: list[Exchange] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._waiting = list(self.steps)
        self._stopping = threading.Event()
        self._open: list[socket.socket] = []
        self._context: ssl.SSLContext | None = None
        if self.tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(self.tls)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    def stop(self) -> None:
        self._stopping.set()
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            while self._waiting:
                exchange = Exchange(sock, number, self._stopping)
                if self._waiting[0].reads:
                    exchange.request = _request(sock)
                    if not exchange.request:
                        break
                self.seen.append(exchange)
                if not self._waiting.pop(0).run(exchange):
                    break
            sock.close()


def _request(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := sock.recv(65536))
        if not more:
            return b""
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def http_answer(body: bytes, *, status: str = "200 OK", length: int | None = None, headers: str = "") -> bytes:
    length = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
    return head.encode() + body


def answers(value: object, *, then_closes: bool = False) -> Step:
    """Return a step that sends a valid answer. It can close the connection although the headers do not say so."""

    def run(exchange: Exchange) -> bool:
        exchange.sock.sendall(http_answer(json.dumps(value).encode()))
        return not then_closes

    return Step(run)


def sends(data: bytes) -> Step:
    """Return a step that sends these bytes and closes the connection."""

    def run(exchange: Exchange) -> bool:
        exchange.sock.sendall(data)
        return False

    return Step(run)


def resets(*, reads: bool = True, after: bytes = b"") -> Step:
    """Return a step that resets the connection: before or after reading the request, or in the middle of the answer."""

    def run(exchange: Exchange) -> bool:
        exchange.sock.sendall(after)
        if not reads:
            exchange.sock.recv(1)  # The client is still sending. Unread data makes the reset certain.
        exchange.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return Step(run, reads=reads)


def stalls(*, after: bytes = b"", reads: bool = True) -> Step:
    """Return a step that sends nothing more, and keeps the connection open."""

    def run(exchange: Exchange) -> bool:
        exchange.sock.sendall(after)
        exchange.stopping.wait(30)
        return False

    return Step(run, reads=reads)


def drips(data: bytes, *, after: bytes = b"", every: float = 0.02) -> Step:
    """Return a step in which the server sends its answer byte by byte."""

    def run(exchange: Exchange) -> bool:
        exchange.sock.sendall(after)
        for index in range(len(data)):
            if exchange.stopping.wait(every):
                break
            exchange.sock.sendall(data[index : index + 1])
        return False

    return Step(run)

"""The port: connections in, one thread for each, and a door that can be shut for a while."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from dupdash.sandbox.php_values import BadRequest, Request, Reset, Response, read_request, reset, write_response

Handler = Callable[[Request], Response | Reset]


class Listener:
    def __init__(self, host: str, port: int, handler: Handler) -> None:
        self._host = host
        self._handler = handler
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._busy: set[socket.socket] = set()
        self._closed = False
        self._open_again_at: float | None = None
        self._wake = threading.Event()
        self._door: socket.socket | None = _listen(host, port)
        self.port: int = self._door.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="sandbox listener", daemon=True)
        self._thread.start()

    def shut_for(self, seconds: float) -> None:
        """Refuses connections, truly: nobody listens. 0 opens again.

        Idle connections are closed; those with a request under way get their answer.
        """
        with self._lock:
            if self._closed:
                return
            self._open_again_at = time.perf_counter() + seconds
            if seconds > 0:
                self._close_door()
                for connection in self._connections - self._busy:
                    _hang_up(connection)
        self._wake.set()
        if seconds == 0:
            self._open_if_due()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._close_door()
            for connection in tuple(self._connections):
                _hang_up(connection)
        self._wake.set()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            door = self._door
            if door is None:
                self._wait_for_opening()
                continue
            try:
                connection, _ = door.accept()
            except OSError:
                continue  # the door was shut
            threading.Thread(target=self._serve, args=(connection,), name="sandbox connection", daemon=True).start()

    def _wait_for_opening(self) -> None:
        opening = self._open_again_at
        self._wake.wait(None if opening is None else max(0.0, opening - time.perf_counter()))
        self._wake.clear()
        self._open_if_due()

    def _open_if_due(self) -> None:
        with self._lock:
            due = self._open_again_at is not None and time.perf_counter() >= self._open_again_at
            if not due or self._door is not None or self._closed:
                return
            try:
                self._door = _listen(self._host, self.port)
            except OSError:
                # For a moment the port is the near end of somebody's connection.
                self._open_again_at = time.perf_counter() + 0.05
            self._wake.set()

    def _close_door(self) -> None:
        if self._door is not None:
            _hang_up(self._door)  # wakes accept()
            self._door.close()
            self._door = None

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            if self._closed or self._door is None:
                connection.close()
                return
            self._connections.add(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        try:
            while self._exchange(connection, stream):
                pass
        except OSError:
            pass  # the client left
        finally:
            with self._lock:
                self._connections.discard(connection)
                self._busy.discard(connection)
            with contextlib.suppress(OSError):
                stream.close()
            connection.close()

    def _exchange(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """One request and its answer; whether the connection lives on."""
        try:
            request = read_request(stream)
        except BadRequest as error:
            write_response(connection, Response(error.status, "text/plain", b""), False, False)
            return False
        if request is None:
            return False
        with self._lock:
            self._busy.add(connection)
        outcome = self._handler(request)
        if isinstance(outcome, Reset):
            reset(connection)
            return False
        keep_alive = request.keep_alive and self._door is not None
        write_response(connection, outcome, keep_alive, request.method == "HEAD")
        with self._lock:
            self._busy.discard(connection)
            # Once more: whoever shut the door meanwhile took this connection for busy.
            return keep_alive and self._door is not None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restart finds the old connections in TIME_WAIT; somebody else's listener is still noticed.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(128)
    except OSError:
        door.close()
        raise
    return door


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

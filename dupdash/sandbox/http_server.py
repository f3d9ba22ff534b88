"""The HTTP server of the sandbox: a thread for each connection, and a listener that can refuse connections."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from dupdash.sandbox.http_messages import BadRequest, Request, Reset, Response, read_request, reset, write_response

Handler = Callable[[Request], Response | Reset]


class Listener:
    """Accepts connections and has ``handler`` answer their requests."""

    def __init__(self, host: str, port: int, handler: Handler) -> None:
        self._host = host
        self._handler = handler
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._busy: set[socket.socket] = set()
        self._closed = False
        self._listen_again_at: float | None = None
        self._wake = threading.Event()
        self._listening: socket.socket | None = _listen(host, port)
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="sandbox listener", daemon=True)
        self._thread.start()

    def shut_for(self, seconds: float) -> None:
        """Refuse connections for this many seconds, by closing the listening socket. 0 opens the socket again.

        Idle connections are closed. Connections with a request in progress get their answer.
        """
        with self._lock:
            if self._closed:
                return
            self._listen_again_at = time.perf_counter() + seconds
            if seconds > 0:
                self._stop_listening()
                for connection in self._connections - self._busy:
                    _hang_up(connection)
        self._wake.set()
        if seconds == 0:
            self._listen_if_due()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._stop_listening()
            for connection in tuple(self._connections):
                _hang_up(connection)
        self._wake.set()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            listening = self._listening
            if listening is None:
                self._wait_until_due()
                continue
            try:
                connection, _ = listening.accept()
            except OSError:
                continue  # The socket was closed.
            threading.Thread(target=self._serve, args=(connection,), name="sandbox connection", daemon=True).start()

    def _wait_until_due(self) -> None:
        due = self._listen_again_at
        self._wake.wait(None if due is None else max(0.0, due - time.perf_counter()))
        self._wake.clear()
        self._listen_if_due()

    def _listen_if_due(self) -> None:
        with self._lock:
            due = self._listen_again_at is not None and time.perf_counter() >= self._listen_again_at
            if not due or self._listening is not None or self._closed:
                return
            try:
                self._listening = _listen(self._host, self.port)
            except OSError:
                # The port may be the local end of another connection for a moment.
                self._listen_again_at = time.perf_counter() + 0.05
            self._wake.set()

    def _stop_listening(self) -> None:
        if self._listening is not None:
            _hang_up(self._listening)  # This wakes accept().
            self._listening.close()
            self._listening = None

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            if self._closed or self._listening is None:
                connection.close()
                return
            self._connections.add(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        try:
            while self._exchange(connection, stream):
                pass
        except OSError:
            pass  # The client disconnected.
        finally:
            with self._lock:
                self._connections.discard(connection)
                self._busy.discard(connection)
            with contextlib.suppress(OSError):
                stream.close()
            connection.close()

    def _exchange(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """Answer one request. Returns whether the connection stays open."""
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
        keep_alive = request.keep_alive and self._listening is not None
        write_response(connection, outcome, keep_alive, request.method == "HEAD")
        with self._lock:
            self._busy.discard(connection)
            # Check again: shut_for() may have skipped this connection because it was busy.
            return keep_alive and self._listening is not None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # The old connections may still be in TIME_WAIT after a restart. A listener of another process still fails.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

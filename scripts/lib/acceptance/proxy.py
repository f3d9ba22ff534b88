"""Runs a proxy in front of Moodle that loses answers: it answers 504 after a few seconds while Moodle continues."""

import http.client
import threading
import time
import urllib.parse
from collections import Counter
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerYet
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from ..installation import HOST

COPY_FUNCTIONS = frozenset({"core_course_duplicate_course", "core_course_async_duplicate_course"})
# This is longer than any copy of a run takes. Only the thread of a lost answer waits as long.
UPSTREAM_TIMEOUT = 1800.0
# Headers that belong to one connection only, so the proxy does not pass them on.
HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class ImpatientProxy:
    """A proxy in front of ``moodle_url``. It has its own URL and runs during its ``with`` block."""

    def __init__(self, moodle_url: str, patience: float) -> None:
        self._upstream = urllib.parse.urlsplit(moodle_url)
        self._patience = patience
        self._lock = threading.Lock()
        # How often each short name was sent, and the short names whose answer was lost.
        self.sent: Counter[str] = Counter()
        self.lost: set[str] = set()
        # The function and the Unix time of each call.
        self.calls: list[tuple[float, str]] = []

    def __enter__(self) -> "ImpatientProxy":
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._serve(self)

            do_POST = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                """Print nothing, because the counts say what happened."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_address[1]}{self._upstream.path}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fields = urllib.parse.parse_qs(body.decode(errors="replace"))
        self.calls.append((time.time(), fields.get("wsfunction", [""])[0]))
        shortname = _copy_in(fields)
        if shortname:
            with self._lock:
                self.sent[shortname] += 1
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in {*HOP_BY_HOP, "host"}}
        pending: Future[Answer] = Future()
        # A daemon thread, so that the script can end while Moodle still works on a request whose answer was lost.
        request = (pending, handler.command, handler.path, body, headers)
        threading.Thread(target=self._forward, args=request, daemon=True).start()
        answer = self._wait(pending)
        if shortname and answer.status == http.client.GATEWAY_TIMEOUT:
            with self._lock:
                self.lost.add(shortname)
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _wait(self, pending: "Future[Answer]") -> Answer:
        html = [("Content-Type", "text/html")]
        try:
            return pending.result(self._patience)
        except NoAnswerYet:
            return Answer(http.client.GATEWAY_TIMEOUT, html, b"<html><title>504 Gateway Time-out</title></html>")
        except (OSError, http.client.HTTPException):
            return Answer(http.client.BAD_GATEWAY, html, b"<html><title>502 Bad Gateway</title></html>")

    def _forward(self, pending: "Future[Answer]", method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        try:
            pending.set_result(self._ask_moodle(method, path, body, headers))
        except (OSError, http.client.HTTPException) as error:
            pending.set_exception(error)

    def _ask_moodle(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        secure = self._upstream.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._upstream.hostname or "", self._upstream.port, timeout=UPSTREAM_TIMEOUT)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
            return Answer(answer.status, kept, answer.read())
        finally:
            connection.close()


def _copy_in(fields: dict[str, list[str]]) -> str:
    """Return the short name in a request for a copy; "" for every other request."""
    return fields.get("shortname", [""])[0] if COPY_FUNCTIONS.intersection(fields.get("wsfunction", ())) else ""

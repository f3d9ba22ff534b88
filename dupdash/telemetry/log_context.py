"""Stores which request and job the current thread works on, for log lines and for calls to Moodle."""

import contextvars
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
# The ids that a proxy may send. Other ids are replaced, so that a client cannot write arbitrary text into the log.
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")

_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
_job_id: contextvars.ContextVar[str] = contextvars.ContextVar("job_id", default="")


def current_request_id() -> str:
    """Return the id of the web request that this thread answers, or that requested the job it runs; "" without one."""
    return _request_id.get()


@contextmanager
def logging_context(*, request_id: str = "", job_id: str = "") -> Iterator[None]:
    """Name a request and a job in every log line of this thread until the block ends."""
    tokens = _request_id.set(request_id), _job_id.set(job_id)
    try:
        yield
    finally:
        _request_id.reset(tokens[0])
        _job_id.reset(tokens[1])


class ContextFilter(logging.Filter):
    """Adds ``request_id`` and ``job_id`` to each log record, unless the record already has them."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, variable in (("request_id", _request_id), ("job_id", _job_id)):
            if not hasattr(record, name):
                setattr(record, name, variable.get())
        return True


def request_id_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request an id: the one that a proxy sent, or a new one. The response contains it, too."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        with logging_context(request_id=request_id):
            response = get_response(request)
        response.headers[HEADER] = request_id
        return response

    return middleware

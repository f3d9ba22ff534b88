"""Opens clients for the Moodle site that the settings name."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from django.conf import settings

from dupdash.duplication.bulk_client import BulkClient
from dupdash.duplication.client_pool import ClientPool
from dupdash.duplication.models import MoodleHealth
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault
from dupdash.telemetry.counters import COUNTERS, MOODLE_CALLS, Event
from dupdash.telemetry.log_context import current_request_id

_MODNAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
T = TypeVar("T")

# How many requests one process sends at the same time.
READERS = 6


def open_client() -> MoodleClient:
    """Return a client for the configured site.

    The caller closes it. Raises ConfigurationFault if no site is configured.
    """
    if not settings.MOODLE_URL:
        raise ConfigurationFault(
            "No Moodle is configured.",
            advice="Set MOODLE_URL and MOODLE_TOKEN, and restart dupdash. To try dupdash without a Moodle, run "
            "scripts/demo.",
        )
    return _client(settings.MOODLE_URL, settings.MOODLE_TOKEN)


# The threads of this process for independent requests, and their clients for one site and token.
_threads: ThreadPoolExecutor | None = None
_pool: tuple[tuple[str, str], ClientPool] | None = None


def read_together(client: MoodleClient, reads: Sequence[Callable[[MoodleClient], T]]) -> list[T]:
    """Send several requests at the same time and return their results in order. The first one uses ``client``.

    If requests fail, raises the error of the first of them, after all have ended.
    """
    global _threads, _pool
    site = (settings.MOODLE_URL, settings.MOODLE_TOKEN)
    if _threads is None:
        _threads = ThreadPoolExecutor(READERS, thread_name_prefix="read")
    if _pool is None or _pool[0] != site:
        _pool = site, ClientPool(open_client)
    clients = _pool[1]

    def read_elsewhere(read: Callable[[MoodleClient], T]) -> T:
        with clients.borrow() as reader:
            return read(reader)

    others = [_threads.submit(read_elsewhere, read) for read in reads[1:]]
    try:
        first = [read(client) for read in reads[:1]]
    finally:
        wait(others)
    return first + [other.result() for other in others]


def open_async_client() -> MoodleClient:
    """Return a client for the server of the proposed functions: the site itself, or the one that ASYNC_URL names."""
    if not settings.ASYNC_URL:
        return open_client()
    return _client(settings.ASYNC_URL, settings.ASYNC_TOKEN)


def open_bulk_client() -> BulkClient:
    """Return a client like that of ``open_client`` which can also load many courses in advance."""
    with open_client() as client:
        address = client.site_url
    return BulkClient(open_client, address, settings.MOODLE_TOKEN, **_arguments())


def _client(url: str, token: str) -> MoodleClient:
    return MoodleClient(url, token, **_arguments())


def _arguments() -> dict[str, Any]:
    """Return the arguments with which every client is opened."""
    return {
        "connect_timeout": settings.MOODLE_CONNECT_TIMEOUT,
        "read_timeout": settings.MOODLE_READ_TIMEOUT,
        "duplication_timeout": settings.MOODLE_DUPLICATION_TIMEOUT,
        "on_call": _count,
        "request_id": current_request_id(),
    }


def _count(function: str, outcome: str, seconds: float) -> None:
    COUNTERS.add(Event(MOODLE_CALLS, function, outcome), seconds)


def course_url(course_id: int, health: MoodleHealth | None = None) -> str:
    """Return the URL of a course for browsers. It begins with the site's own URL, which may differ from MOODLE_URL.

    ``health``: the stored health of the site, if the caller has already read it; this saves a query.
    """
    return f"{_site_url(health)}/course/view.php?id={course_id}"


def module_url(modname: str, module_id: int, health: MoodleHealth | None = None) -> str:
    """Return the URL of an activity for browsers; "" if the type of the activity is not valid in a URL."""
    if not _MODNAME.fullmatch(modname):
        return ""
    return f"{_site_url(health)}/mod/{modname}/view.php?id={module_id}"


def _site_url(health: MoodleHealth | None) -> str:
    known = health.site_url if health else MoodleHealth.objects.values_list("site_url", flat=True).first()
    return str(known or settings.MOODLE_URL)

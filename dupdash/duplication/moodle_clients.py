"""The one Moodle that the settings name."""

import re
from typing import Any

from django.conf import settings

from dupdash.duplication.bulk_client import BulkClient
from dupdash.duplication.models import MoodleHealth
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault
from dupdash.telemetry.counters import COUNTERS, MOODLE_CALLS, Event
from dupdash.telemetry.log_context import current_request_id

_MODNAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


def open_client() -> MoodleClient:
    """A client for the configured site; close it after use. Raises ConfigurationFault without a site."""
    if not settings.MOODLE_URL:
        raise ConfigurationFault(
            "No Moodle is configured.",
            advice="Set MOODLE_URL and MOODLE_TOKEN and start dupdash again; scripts/demo brings a Moodle of its own.",
        )
    return _client(settings.MOODLE_URL, settings.MOODLE_TOKEN)


def open_async_client() -> MoodleClient:
    """A client for whoever serves the proposed services: the site itself, or what ASYNC_URL names."""
    if not settings.ASYNC_URL:
        return open_client()
    return _client(settings.ASYNC_URL, settings.ASYNC_TOKEN)


def open_bulk_client() -> BulkClient:
    """Like ``open_client``, for looking up many courses."""
    with open_client() as client:
        address = client.site_url
    return BulkClient(open_client, address, settings.MOODLE_TOKEN, **_arguments())


def _client(url: str, token: str) -> MoodleClient:
    return MoodleClient(url, token, **_arguments())


def _arguments() -> dict[str, Any]:
    """What every client of the site is opened with."""
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
    """The address of a course for a browser: as the site names itself, which may differ from MOODLE_URL.

    ``health``: for those who have read it already.
    """
    return f"{_site_url(health)}/course/view.php?id={course_id}"


def module_url(modname: str, module_id: int, health: MoodleHealth | None = None) -> str:
    """The address of an activity for a browser; "" for a kind that cannot be part of one."""
    if not _MODNAME.fullmatch(modname):
        return ""
    return f"{_site_url(health)}/mod/{modname}/view.php?id={module_id}"


def _site_url(health: MoodleHealth | None) -> str:
    known = health.site_url if health else MoodleHealth.objects.values_list("site_url", flat=True).first()
    return str(known or settings.MOODLE_URL)

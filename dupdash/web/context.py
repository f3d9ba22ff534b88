"""What every page needs, whatever it shows: the way around, and what concerns the whole site.

Both are worked out when a template first reads them: a polled part of a page reads neither.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.notifications.preferences import chosen_zone
from dupdash.web.health_of_request import health_of
from dupdash.web.permissions import PERMISSIONS


@dataclass(frozen=True)
class Entry:
    label: str
    url: str
    current: bool
    count: int = 0


@dataclass(frozen=True)
class Banner:
    level: str
    title: str
    text: str


# In this order. Who may not open a page is not led to it: the table of rules decides.
PAGES = (
    ("overview", "Overview"),
    ("jobs:list", "Copies"),
    ("jobs:request", "New copy"),
    ("approvals", "Approvals"),
    ("insights", "Insights"),
    ("tokens", "API tokens"),
    ("system", "System"),
    ("audit", "Audit"),
)


def page(request: HttpRequest) -> dict[str, object]:
    return {
        "navigation": SimpleLazyObject(lambda: navigation(request)),
        "banner": SimpleLazyObject(lambda: banner(request)),
        # A function, not an object that stands for a zone: ``{% timezone %}`` wants a real one.
        "time_zone": lambda: time_zone(request),
    }


def navigation(request: HttpRequest) -> list[Entry]:
    here = request.resolver_match.view_name if request.resolver_match else ""
    return [
        Entry(label, reverse(name), current=name == here, count=_waiting(name))
        for name, label in PAGES
        if PERMISSIONS[name].may(request.user)
    ]


def _waiting(name: str) -> int:
    """How many wait there for this very person."""
    if name != "approvals":
        return 0
    return DuplicationJob.objects.filter(state=State.AWAITING_APPROVAL).count()


def time_zone(request: HttpRequest) -> ZoneInfo | None:
    """The time zone this person has chosen; None: the browser's, and without scripts the site's."""
    return chosen_zone(request.user) if request.user.is_authenticated else None


def banner(request: HttpRequest) -> Banner | None:
    """The notice that copying is paused. What to do about it is shown to those who can do it."""
    if not access.has_role(request.user):
        return None
    health = health_of(request)
    if health.paused_at is None:
        return None
    if access.is_administrator(request.user):
        kept = "Nothing is lost: the queue is kept, and copying resumes by itself"
        return Banner(
            "warning",
            f"Copies are paused: {health.fault_message or 'the Moodle cannot be used'}",
            f"{health.advice} {kept}{'' if health.is_outage else ' once this is fixed'}.".strip(),
        )
    if health.is_outage:
        title = "Moodle is not available at the moment"
        return Banner("info", title, "Requested copies are kept, and start by themselves when Moodle is back.")
    return Banner(
        "info",
        "Copies are paused",
        "The connection to Moodle has to be fixed first; the administrators know. Requested copies are kept.",
    )

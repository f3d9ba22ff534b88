"""Adds the navigation and the banner about the whole site to the context of every page.

Both are computed when a template first reads them; a polled part of a page reads neither.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.notifications.preferences import chosen_zone, preferences_of
from dupdash.web.presentation.fingerprint import digest
from dupdash.web.stored_moodle_health import health_of
from dupdash.web.url_permissions import PERMISSIONS


@dataclass(frozen=True)
class Entry:
    label: str
    url: str
    current: bool
    count: int = 0
    # Behind "More": needed less often.
    secondary: bool = False


@dataclass(frozen=True)
class Banner:
    level: str
    title: str
    text: str


# In this order, with the secondary ones last. Each person sees the pages that the table of permissions lets them open.
PAGES = (
    ("overview", "Overview"),
    ("jobs:list", "Copies"),
    ("jobs:request", "New copy"),
    ("rollover:list", "Rollover"),
    ("approvals", "Approvals"),
    ("insights", "Insights"),
    ("presets", "Presets"),
    ("tokens", "API tokens"),
    ("system", "System"),
    ("audit", "Audit"),
)
# These stand behind "More" on a wide screen.
SECONDARY = frozenset({"presets", "tokens", "system", "audit"})


def page(request: HttpRequest) -> dict[str, object]:
    return {
        "navigation": SimpleLazyObject(lambda: navigation(request)),
        "banner": SimpleLazyObject(lambda: banner(request)),
        "banner_seen": SimpleLazyObject(lambda: banner_seen(request)),
        # A function, because ``{% timezone %}`` accepts no lazy object.
        "time_zone": lambda: time_zone(request),
        "shortcuts": SimpleLazyObject(lambda: shortcuts(request)),
    }


def navigation(request: HttpRequest) -> list[Entry]:
    here = request.resolver_match.view_name if request.resolver_match else ""
    pages = [
        Entry(label, reverse(name), name == here, _waiting(name), name in SECONDARY)
        for name, label in PAGES
        if PERMISSIONS[name].may(request.user)
    ]
    if request.user.is_active and request.user.is_staff:
        pages.append(Entry("Administration", reverse("admin:index"), current=False, secondary=True))
    return pages


def shortcuts(request: HttpRequest) -> bool:
    """Return whether the key "/" opens the search for this person."""
    return preferences_of(request.user).shortcuts if request.user.is_authenticated else False


def _waiting(name: str) -> int:
    """Return how many requests wait on the page ``name``; 0 for every page except "approvals"."""
    if name != "approvals":
        return 0
    return DuplicationJob.objects.filter(state=State.AWAITING_APPROVAL).count()


def time_zone(request: HttpRequest) -> ZoneInfo | None:
    """Return the time zone that this person has chosen; None if they have chosen none.

    Then pages use the time zone of the browser or, without scripts, that of dupdash (``TIME_ZONE``).
    """
    return chosen_zone(request.user) if request.user.is_authenticated else None


def banner_seen(request: HttpRequest) -> str:
    """Return a fingerprint of the banner.

    The page sends it with each poll. The server sends the banner only if its fingerprint has changed.
    """
    return digest(banner(request))


def banner(request: HttpRequest) -> Banner | None:
    """Return the notice that copying is paused, which tells administrators what to do; None if it is not paused."""
    if not access.has_role(request.user):
        return None
    health = health_of(request)
    if health.paused_at is None:
        return None
    if access.is_administrator(request.user):
        kept = "No request is lost, and copying resumes automatically"
        return Banner(
            "warning",
            f"Copying is paused: {health.fault_message or 'Moodle is not available'}",
            f"{health.advice} {kept}{'' if health.is_outage else ' once this is fixed'}.".strip(),
        )
    if health.is_outage:
        title = "Moodle is not available at the moment"
        return Banner("info", title, "No request is lost. Copies start automatically when Moodle is available again.")
    return Banner(
        "info",
        "Copying is paused",
        "The connection to Moodle does not work. The course administrators know. No request is lost.",
    )

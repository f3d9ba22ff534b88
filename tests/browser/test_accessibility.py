"""Tests that axe-core finds no violation on any page in any state, and that no page scrolls sideways.

Both colour schemes and both widths are tested. The pages come from the URL table, so new pages are tested, too.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, reverse
from django.urls.converters import IntConverter
from django.utils import timezone
from django.views.defaults import server_error
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from dupdash.accounts.models import ApiToken
from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.states import State
from dupdash.notifications.models import Delivery, Digest, OutboxPosition
from dupdash.sandbox.server import Sandbox
from dupdash.web import urls
from dupdash.web.converters import JobId
from dupdash.web.url_permissions import PERMISSIONS
from tests.browser.axe import find_violations
from tests.browser.demo_data import DemoData, open_demo_data
from tests.browser.support import DESKTOP, HEIGHTS, PHONE, Scheme, fits, window
from tests.conftest import make_person, signed_in

pytestmark = [pytest.mark.django_db(transaction=True)]

# Only these rules depend on the width and the colour scheme. The document is the same in all of them.
DRAWN = ["color-contrast", "link-in-text-block"]
ON_A_PHONE = [*DRAWN, "target-size", "scrollable-region-focusable", "button-name", "link-name", "label"]
LOOKS: list[tuple[int, Scheme, list[str] | None]] = [(DESKTOP, "light", None), (PHONE, "dark", ON_A_PHONE)]
CROSSED: list[tuple[int, Scheme, list[str] | None]] = [(PHONE, "light", DRAWN), (DESKTOP, "dark", DRAWN)]

# Pages with query parameters, which the URL table does not list.
SEARCHES = (
    "/jobs/?q=biology",
    "/jobs/?q=there+is+no+such+copy",
    "/jobs/?since=2026-13-99",
    "/insights/?days=7",
    "/insights/?from=2001-01-01&until=2001-01-02",
    "/approvals/?check=1",
)
KNOWN = {"overview", "jobs:list", "jobs:request", "jobs:job", "insights", "preferences", "tokens"}


@pytest.fixture
def campus(sandbox: Sandbox, transactional_db: None) -> DemoData:
    return open_demo_data(sandbox, past=60)


def _addresses(campus: DemoData, person: User) -> dict[str, list[str]]:
    """Return the URLs of all whole pages that this person may open, with every job but only one of each action."""
    client = signed_in(person)
    candidates: dict[tuple[type, ...], list[list[object]]] = {
        (): [[]],
        (JobId,): [[job.pk] for job in campus.jobs.values()],
        # A row of each model whose id is part of a URL.
        (IntConverter,): [[number] for number in ApiToken.objects.values_list("pk", flat=True)],
    }
    found: dict[str, list[str]] = {}
    for name, converters in _patterns(urls.urlpatterns):
        for arguments in candidates.get(converters, []):
            address = reverse(name, args=arguments)
            answer = client.get(address)
            if _is_page(answer):
                found.setdefault(name, []).append(address)
            # What one job answers with a partial, or only to a POST, no other job answers with a page.
            if name != "jobs:job" and answer.status_code in (200, 405):
                break
    return found


def _patterns(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, tuple[type, ...]]]:
    """Yield each URL name with the kinds of its parameters."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, f"{prefix}{pattern.namespace}:")
        else:
            yield f"{prefix}{pattern.name}", tuple(type(one) for one in pattern.pattern.converters.values())


def _is_page(answer: Any) -> bool:
    return answer.status_code == 200 and not answer.streaming and b"</html>" in answer.content


def _audit(page: Page, *, crossed: bool = False) -> Iterator[str]:
    """Return the problems of the open page in both colour schemes and at both widths, without loading it again.

    ``crossed``: check each scheme at each width, which makes a difference to few elements.
    """
    for width, scheme, only in [*LOOKS, *(CROSSED if crossed else [])]:
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        page.emulate_media(color_scheme=scheme)
        where = f"{page.url.split('/', 3)[3]} ({width}, {scheme})"
        for trouble in find_violations(page, only=only):
            yield f"{where}: {trouble}"
        if not fits(page):
            yield f"{where}: scrolls sideways, or a state stands out of its cell"


def _look_through(page: Page, addresses: Iterable[str], *, crossed: bool = False) -> list[str]:
    found: list[str] = []
    for address in addresses:
        page.goto(address)
        found += _audit(page, crossed=crossed)
    return found


def _walk(browser: Browser, live_server: LiveServer, person: User | None, addresses: list[str]) -> None:
    with window(browser, live_server.url, person, reduced_motion="reduce") as page:
        found = _look_through(page, addresses)
    assert not found, "\n".join(found)


def test_pages_of_an_administrator_are_accessible(browser: Browser, live_server: LiveServer, campus: DemoData) -> None:
    found = _addresses(campus, campus.administrator)
    assert found.keys() >= KNOWN
    assert {job.state for job in campus.jobs.values()} == set(State)
    assert len(found["jobs:job"]) == len(campus.jobs)
    with window(browser, live_server.url, campus.administrator, reduced_motion="reduce") as page:
        troubles = _look_through(page, (found[name][0] for name in sorted(KNOWN)), crossed=True)
        rest = [address for name in found for address in found[name][int(name in KNOWN) :]]
        troubles += _look_through(page, [*SEARCHES, *rest])
    assert not troubles, "\n".join(troubles)


@pytest.mark.parametrize("who", ["faculty", "help_desk"])
def test_pages_of_faculty_and_help_desk_are_accessible(
    browser: Browser, live_server: LiveServer, campus: DemoData, who: str
) -> None:
    person: User = getattr(campus, who)
    # Only pages that differ by role. The others were checked with an administrator.
    shown = ("overview", "jobs:request", "jobs:list", "preferences")
    pages = [reverse(name) for name in shown if name != "jobs:request" or person == campus.faculty]
    pages += [f"/jobs/{campus.jobs[name].pk}/" for name in ("failed", "running") if person == campus.help_desk]
    _walk(browser, live_server, person, pages)


def test_empty_pages_are_accessible(
    browser: Browser, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    pages = ["overview", "jobs:list", "insights", "tokens", *({"approvals", "presets"} & PERMISSIONS.keys())]
    _walk(browser, live_server, administrator, [reverse(name) for name in pages])


def test_pages_without_moodle_are_accessible(
    browser: Browser, live_server: LiveServer, campus: DemoData, sandbox: Sandbox
) -> None:
    sandbox.stop()
    running = campus.jobs["running"]
    _walk(browser, live_server, campus.administrator, ["/jobs/new/", f"/jobs/{running.pk}/"])


def test_pages_during_an_outage_are_accessible(browser: Browser, live_server: LiveServer, campus: DemoData) -> None:
    now = timezone.now()
    MoodleHealth.current()
    MoodleHealth.objects.update(paused_at=now, fault_message="Invalid token.", advice="Check MOODLE_TOKEN.")
    OutboxPosition.current()
    OutboxPosition.objects.update(failing_since=now, error="Connection refused")
    Digest.objects.create(recipient=campus.faculty, day=now.date(), since=now, until=now, delivery=Delivery.GIVEN_UP)
    with window(browser, live_server.url, campus.administrator, reduced_motion="reduce") as page:
        page.goto("/")
        page.get_by_text("The mail server’s error message").click()
        found = list(_audit(page, crossed=True))
        found += _look_through(page, ["/jobs/new/", f"/jobs/{campus.jobs['queued'].pk}/"])
        # The page for an internal error, which uses no other template.
        page.route("**/insights/", lambda route: route.fulfill(content_type="text/html", body=_broken()))
        found += _look_through(page, ["/insights/"], crossed=True)
    assert not found, "\n".join(found)


def _broken() -> str:
    return server_error(RequestFactory().get("/")).content.decode()


def test_sign_in_and_error_pages_are_accessible(browser: Browser, live_server: LiveServer, campus: DemoData) -> None:
    with window(browser, live_server.url, reduced_motion="reduce") as page:
        found = _look_through(page, ["/sign-in/", "/sign-in/?next=/jobs/"])
        page.get_by_label("Username").fill("nobody")
        page.get_by_label("Password").fill("nothing")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Incorrect username or password").wait_for()
        found += _audit(page)
    outsider = make_person("otto")
    with window(browser, live_server.url, campus.faculty, reduced_motion="reduce") as page:
        found += _look_through(page, ["/jobs/" + "0" * 32 + "/", "/insights/", "/no/such/page/"])
    with window(browser, live_server.url, outsider, reduced_motion="reduce") as page:
        found += _look_through(page, ["/", "/preferences/"])
    assert not found, "\n".join(found)


def _send_nothing(page: Page) -> None:
    page.goto("/jobs/new/")
    page.get_by_role("button", name="Request copy").click()
    page.get_by_text("Please fix the fields below").wait_for()


def _search(page: Page) -> None:
    page.goto("/jobs/new/")
    page.get_by_label("Search for the course to copy").press_sequentially("bio")
    page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
    page.get_by_label("Short name").press_sequentially("BIO101-2026S1")
    page.get_by_text("already has this short name").wait_for()


def _open_dialog(page: Page) -> None:
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("dialog").wait_for()


def _open_raw(page: Page) -> None:
    page.get_by_text("Moodle’s error message").first.click()


def _lose_the_connection(page: Page) -> None:
    page.route("**/status/**", lambda route: route.abort())
    page.get_by_text("Connection lost, retrying").wait_for()


def _tick(page: Page) -> None:
    page.get_by_label("All on this page").check()
    page.get_by_text("More filters").click()


def _open_tables(page: Page) -> None:
    for summary in page.get_by_text("The same as a table").all():
        summary.click()


def _make_token(page: Page) -> None:
    page.get_by_label("Purpose").fill("timetable")
    page.get_by_role("button", name="Create the token").click()
    page.locator("#token").wait_for()


def _decide(page: Page) -> None:
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Refuse selected").click()
    page.get_by_role("link", name="Don’t refuse").wait_for()


def _ask_to_try_again(page: Page) -> None:
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("link", name="Don’t try again").wait_for()


def _try_again(page: Page) -> None:
    _ask_to_try_again(page)
    page.locator("form button[type=submit].primary").click()
    page.get_by_role("link", name="Show all copies").wait_for()


def test_pages_in_use_are_accessible(browser: Browser, live_server: LiveServer, campus: DemoData) -> None:
    """Pages are checked after actions: forms with errors, search results, open dialogs, menus and notices."""
    job = "/jobs/{}/"
    steps: list[tuple[str, Callable[[Page], None]]] = [
        ("/jobs/new/", _send_nothing),
        ("/jobs/new/", _search),
        (job.format(campus.jobs["queued"].pk), _open_dialog),
        (job.format(campus.jobs["failed"].pk), _open_raw),
        (job.format(campus.jobs["running"].pk), _lose_the_connection),
        ("/jobs/", _tick),
        ("/insights/", _open_tables),
        ("/tokens/", _make_token),
        ("/approvals/", _decide),
        ("/jobs/?state=failed", _ask_to_try_again),
        ("/jobs/?state=failed", _try_again),
    ]
    found: list[str] = []
    with window(browser, live_server.url, campus.administrator, reduced_motion="reduce") as page:
        for address, act in steps:
            page.set_viewport_size({"width": DESKTOP, "height": HEIGHTS[DESKTOP]})
            page.goto(address)
            act(page)
            found += _audit(page)
        page.goto("/")
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("navigation", name="Main").wait_for()
        found += find_violations(page)
    assert not found, "\n".join(found)

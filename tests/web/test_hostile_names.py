"""Tests hostile names on every page: markup, direction controls, control characters, formulas and great length.

The pages come from the URL table, so that new pages are tested, too. Names with NUL and lone surrogates, which no
database can store, come from Moodle.
"""

import csv
import io
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.urls.converters import IntConverter, SlugConverter
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.accounts.audit import record
from dupdash.accounts.models import ApiToken, AuditKind
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.moodle import options
from dupdash.sandbox.server import Sandbox
from dupdash.web import urls
from dupdash.web.converters import JobId
from dupdash.web.models import OptionPreset
from tests.conftest import signed_in
from tests.duplication.support import evidence_json
from tests.web.support import BIO101, a_job, a_running_job
from tests.web.test_name_isolation import assert_isolated

pytestmark = pytest.mark.django_db

MARKUP = "=<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7 }}{% now 'Y' %}"
HOSTILE = f"{MARKUP}\u202eשלום\u2069\x07\r\nX: y"
LONG = HOSTILE + "x" * 10_000


class _Markup(HTMLParser):
    """Collects markup that can only come from a hostile name: scripts without a source, images, and event handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if (tag == "script" and not given.get("src")) or tag == "img" or any(name.startswith("on") for name in given):
            self.found.append(str(self.get_starttag_text()))


@pytest.fixture
def jobs(administrator: User, faculty: User, sandbox: Sandbox) -> list[DuplicationJob]:
    """Jobs in each state with hostile names, notes and errors, and a Moodle whose courses have hostile names."""
    sandbox.state.change(BIO101, fullname=f"\0\ud800{LONG}", shortname="BIO101-2026S1")
    User.objects.filter(pk=faculty.pk).update(first_name=HOSTILE[:150], last_name=HOSTILE[-150:])
    MoodleHealth.objects.update_or_create(id=1, defaults={"site_name": HOSTILE[:255], "may_delete": True})
    OptionPreset.objects.create(name=HOSTILE[:50], options=options.effective({}))
    tokens.make(administrator, HOSTILE[:100], days=90)
    record(AuditKind.ACCOUNT_MADE, subject=LONG, detail=LONG)
    now = timezone.now()
    candidate = {"id": 77, "shortname": f"{HOSTILE[:90]}_1", "fullname": HOSTILE, "visible": True}
    given: dict[str, Any] = {
        "fullname": HOSTILE[:254],
        "source_fullname": HOSTILE[:255],
        "source_shortname": HOSTILE[:255],
        "source_id": BIO101,
        "category_name": LONG[:1000],
        "note": LONG,
        "requester": faculty,
    }

    def short(number: int) -> str:
        return f"{number}{HOSTILE}"[:100]

    made = [
        a_running_job(shortname=short(1), source_released_at=now, **given),
        a_job(shortname=short(2), **given),
        a_job(State.AWAITING_APPROVAL, short(3), **given),
        a_job(
            State.FAILED, short(4), failure_code=HOSTILE[:100], failure_message=LONG, finished_at=now, course_id=78,
            proof="seen", evidence=evidence_json(candidate, own=78), **given,
        ),
        a_job(State.UNRESOLVED, short(5), sent_at=now, evidence=evidence_json(candidate), **given),
        a_job(State.SUCCEEDED, short(6), finished_at=now, course_id=79, **given),
    ]  # fmt: skip
    for job in made:
        job.events.update(actor=faculty, reason=LONG, via=HOSTILE[:200], data={"message": LONG})
    return made


def _patterns(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, tuple[type, ...]]]:
    """Yield each URL name with the kinds of its parameters."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, f"{prefix}{pattern.namespace}:")
        else:
            yield f"{prefix}{pattern.name}", tuple(type(one) for one in pattern.pattern.converters.values())


def _addresses(jobs: list[DuplicationJob]) -> list[str]:
    numbers = [*ApiToken.objects.values_list("pk", flat=True), *OptionPreset.objects.values_list("pk", flat=True)]
    arguments: dict[tuple[type, ...], list[list[object]]] = {
        (): [[]],
        (JobId,): [[job.pk] for job in jobs],
        (IntConverter,): [[number] for number in numbers],
        (SlugConverter,): [["outcomes"], ["causes"], ["people"]],
    }
    found = [reverse(name, args=one) for name, kinds in _patterns(urls.urlpatterns) for one in arguments.get(kinds, [])]
    searches = ["/jobs/", "/jobs/new/", "/jobs/new/source-choices/", "/audit/"]
    return [*found, *(f"{url}?q=alert&source=7&source_query=bio101" for url in searches), "/jobs/bulk/?action=cancel"]


def _check_page(url: str, page: str) -> Iterator[str]:
    parser = _Markup()
    parser.feed(page)
    yield from (f"{url}: {tag}" for tag in parser.found)
    if "{{ 7 }}" not in page and "7}" in page:
        yield f"{url}: a name was read as a template"
    try:
        assert_isolated(page, at_least=0)
    except AssertionError as error:
        yield f"{url}: {str(error)[:300]}"


def _check_table(url: str, text: str) -> Iterator[str]:
    for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))):
        yield from (f"{url}: a formula {cell[:30]!r}" for cell in row if cell.startswith(("=", "+", "-", "@")))


@pytest.mark.parametrize("who", ["administrator", "faculty", "help_desk"])
def test_hostile_names_have_no_effect_on_any_page(
    request: pytest.FixtureRequest, jobs: list[DuplicationJob], who: str
) -> None:
    browser = signed_in(request.getfixturevalue(who))
    troubles: list[str] = []
    hostile = 0
    for url in _addresses(jobs):
        answer = browser.get(url)
        if answer.status_code not in (200, 204, 286):
            assert answer.status_code < 500, url
            continue
        body = b"".join(answer) if answer.streaming else answer.content  # type: ignore[arg-type]
        text = body.decode()
        hostile += "alert(1)" in text
        kind = answer.get("Content-Type", "").partition(";")[0]
        if kind == "text/html":
            troubles += _check_page(url, text)
        elif kind == "text/csv":
            troubles += _check_table(url, text)
        else:
            troubles += [f"{url}: a control character"] if {"\x07", "\u202e"} & set(text) else []
    assert not troubles, "\n".join(troubles)
    assert hostile > 10


def test_names_that_no_database_stores_reach_no_page(as_administrator: Client, jobs: list[DuplicationJob]) -> None:
    found = as_administrator.get("/jobs/new/source-choices/?source_query=bio101").content.decode()
    assert "&lt;script&gt;alert(1)" in found
    assert not {"\0", "\ud800"} & set(found)


def test_signed_out_pages_show_no_name(client: Client, jobs: list[DuplicationJob]) -> None:
    for url in _addresses(jobs):
        assert b"alert(1)" not in client.get(url).content

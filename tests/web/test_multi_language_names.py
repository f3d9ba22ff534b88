"""Tests names in several languages: pages show one language, and forms keep all of them."""

from datetime import date
from html.parser import HTMLParser

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.moodle.multilang import is_accepted
from dupdash.sandbox.server import Sandbox
from dupdash.web.name_suggestions import suggest
from tests.duplication.support import compared, evidence_json
from tests.web.support import BIO101, BIOLOGY_2027, a_job, a_running_job

pytestmark = pytest.mark.django_db

SPANS = '<span lang="fr" class="multilang">Français {0}</span><span lang="en" class="multilang">English {0}</span>'
BRACES = "{{mlang fr}}Français {0}{{mlang}}{{mlang en}}English {0}{{mlang}}"
HIDDEN_LANGUAGE = ("Français", "multilang", "mlang")


class _Shown(HTMLParser):
    """Collects the texts of a page that people see or hear: its text and describing attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.parts += [value for name, value in attributes if value and name in ("aria-label", "title", "alt")]

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def assert_one_language(page: str) -> None:
    shown = _Shown()
    shown.feed(page)
    wrong = [part.strip() for part in shown.parts if any(word in part for word in HIDDEN_LANGUAGE)]
    assert wrong == []


@pytest.fixture(params=[SPANS, BRACES], ids=["spans", "braces"])
def names(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def jobs(faculty: User, names: str) -> dict[str, DuplicationJob]:
    now = timezone.now()
    candidate = {"id": 77, "shortname": names.format("T_1"), "fullname": names.format("copy 1"), "visible": True}
    given = {
        "fullname": names.format("copy"),
        "source_fullname": names.format("source"),
        "source_shortname": names.format("S"),
        "source_id": BIO101,
        "category_name": f"{names.format('faculty')} / {names.format('year')}",
        "requester": faculty,
    }

    def short(number: int) -> str:
        return names.replace("ançais", "").replace("glish", "").format(number)

    missing = {"type": "quiz", "name": names.format("quiz"), "count": 1}
    part = compared(2, 1, missing=[missing])
    report = {"complete": False, "sections": part, "activities": part}
    return {
        "running": a_running_job(shortname=short(1), **given),
        "asks": a_job(State.AWAITING_APPROVAL, short(2), **given),
        "failed": a_job(
            State.FAILED, short(3), failure_code="partial_course", finished_at=now, course_id=78, proof="seen",
            evidence=evidence_json(candidate, own=78), **given,
        ),
        "unresolved": a_job(State.UNRESOLVED, short(4), sent_at=now, evidence=evidence_json(candidate), **given),
        "succeeded": a_job(State.SUCCEEDED, short(5), finished_at=now, course_id=79, verification=report, **given),
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/jobs/",
        "/jobs/?source=7",
        "/approvals/",
        "/insights/",
        "/jobs/new/?source=7",
        "/jobs/{running}/",
        "/jobs/{running}/cancel/",
        "/jobs/{asks}/",
        "/jobs/{asks}/edit/",
        "/jobs/{asks}/approve/",
        "/jobs/{failed}/",
        "/jobs/{failed}/retry/",
        "/jobs/{failed}/delete-partial-course/",
        "/jobs/{unresolved}/",
        "/jobs/{unresolved}/settle/",
        "/jobs/{succeeded}/",
        "/jobs/new/?from={succeeded}",
        "/jobs/new/source-choices/?source_query=English",
        f"/jobs/new/preview/?source={BIO101}&activities=1&category={BIOLOGY_2027}&shortname=NEW-2027",
        "/jobs/{failed}/summary.txt",
    ],
)
def test_page_shows_one_language(
    as_administrator: Client, jobs: dict[str, DuplicationJob], sandbox: Sandbox, names: str, address: str
) -> None:
    sandbox.state.change(BIO101, fullname=names.format("source"), shortname=names.format("S"))
    page = as_administrator.get(address.format(**{name: job.pk for name, job in jobs.items()}))
    assert page.status_code == 200
    assert_one_language(page.content.decode())


def test_form_keeps_all_languages_of_the_names(
    as_administrator: Client, jobs: dict[str, DuplicationJob], sandbox: Sandbox
) -> None:
    page = as_administrator.get(f"/jobs/new/?from={jobs['succeeded'].pk}").content.decode()
    for language in ("Français copy", "English copy"):
        assert language in page


@pytest.mark.parametrize("pattern", [SPANS, BRACES])
@time_machine.travel(date(2026, 11, 23))
def test_each_language_of_a_suggestion_has_the_new_year(pattern: str) -> None:
    names = suggest(pattern.format("2026"), "{mlang fr}F26{mlang}{mlang en}2026{mlang}", lambda name: True)
    assert names is not None
    assert names.fullname == pattern.format("2027")
    assert names.shortname == "{mlang fr}F27{mlang}{mlang en}2027{mlang}"


SHORT = (
    '<span lang="fr" class="multilang">F</span><span lang="en" class="multilang">E</span>',
    "{mlang fr}F{mlang}{mlang en}E{mlang}",
)


@pytest.mark.parametrize("pattern", SHORT)
def test_each_language_of_a_suggestion_keeps_the_ending(pattern: str) -> None:
    names = suggest(pattern, pattern, lambda name: True)
    assert names is not None
    assert names.shortname == f"{pattern}-COPY"
    assert is_accepted(names.shortname)


def test_suggestion_that_has_no_room_for_all_languages_keeps_one() -> None:
    names = suggest("Course", SPANS.format("x" * 20), lambda name: True)
    assert names is not None
    assert names.shortname == f"English {'x' * 20}-COPY"

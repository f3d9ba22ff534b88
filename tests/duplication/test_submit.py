"""Tests requesting a copy: which requests become jobs, and which short names they reserve."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from dupdash.accounts.access import NotAllowed
from dupdash.duplication import idempotency, jobs
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.request import InvalidRequest, check_full_name, check_short_name, prepare
from dupdash.duplication.states import TERMINAL, UNFINISHED, State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.name_comparison import short_name_key
from dupdash.moodle.options import defaults
from tests.duplication.support import Background, Moodle, a_job, draft, kinds, submit

pytestmark = pytest.mark.django_db(transaction=True)


def refused(field: str, code: str, **wish: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        submit(**({"fullname": "A copy"} | wish))
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == (field, code)
    assert DuplicationJob.objects.count() == 0
    return problem.message


def test_request_of_an_administrator_is_queued(moodle: Moodle, administrator: User) -> None:
    job = submit("BIO101-2026S1", " NEW-1 ", actor=administrator, fullname=" A new one ", via="a token")
    assert (job.state, job.shortname, job.fullname) == (State.QUEUED, "NEW-1", "A new one")
    assert (job.source_id, job.source_shortname) == (moodle.course("BIO101-2026S1").id, "BIO101-2026S1")
    assert len(job.id) == 32
    assert int(job.id, 16) >= 0
    assert job.queued_at is not None
    event = job.events.get()
    assert (event.kind, event.actor, event.via, event.reason) == ("submitted", administrator, "a token", "Queued.")


def test_category_is_stored_with_its_path(moodle: Moodle) -> None:
    deep = next(category for category in moodle.state.categories.values() if category.depth == 3)
    job = submit(category_id=deep.id)
    assert job.category_name.count(" / ") == 2
    assert job.category_name.endswith(deep.name)


def test_request_of_faculty_waits_for_approval(moodle: Moodle, faculty: User) -> None:
    job = submit("AT&T", actor=faculty)
    assert (job.state, job.queued_at, job.dispatched_at) == (State.AWAITING_APPROVAL, None, None)
    assert job.events.get().reason == "Waits for approval."


def test_request_of_faculty_is_queued_without_the_approval_policy(moodle: Moodle, faculty: User, settings: Any) -> None:
    settings.FACULTY_NEEDS_APPROVAL = False
    assert submit("AT&T", actor=faculty).state == State.QUEUED


def test_person_without_permission_gets_no_job(moodle: Moodle, help_desk: User) -> None:
    with pytest.raises(NotAllowed):
        submit(actor=help_desk)
    assert DuplicationJob.objects.count() == 0


@pytest.mark.parametrize(
    ("wish", "field", "code"),
    [
        ({"shortname": " "}, "shortname", "missingparam"),
        ({"shortname": "x" * 101}, "shortname", "dmlwriteexception"),
        ({"shortname": "<i>x"}, "shortname", "invalidparameter"),
        ({"shortname": "two\nlines"}, "shortname", "invalidparameter"),
        ({"fullname": ""}, "fullname", "missingparam"),
        ({"fullname": "x" * 255}, "fullname", "dmlwriteexception"),
        ({"fullname": "a<b"}, "fullname", "invalidparameter"),
        ({"source": "no such course"}, "source", "invalidcourseid"),
        ({"source": "<b>"}, "source", "invalidcourseid"),
        ({"source": "1"}, "source", "backupprecheckerrors"),
        ({"category_id": 98765}, "category", "invalidrecord"),
        ({"options": {"everything": True}}, "options", "invalidextparam"),
        ({"shortname": "at&t"}, "shortname", "shortnametaken"),
    ],
)
def test_invalid_requests_are_refused(moodle: Moodle, wish: dict[str, Any], field: str, code: str) -> None:
    assert refused(field, code, **wish)


@pytest.mark.parametrize(("name", "longest"), [("fullname", 254), ("shortname", 100)])
def test_names_of_the_maximum_length_are_accepted(moodle: Moodle, name: str, longest: int) -> None:
    job = submit(**{"shortname": "NEW-1", "fullname": "N", name: "ü" * longest})
    job.refresh_from_db()
    assert getattr(job, name) == "ü" * longest


def test_all_problems_are_reported_at_once(moodle: Moodle) -> None:
    with pytest.raises(InvalidRequest) as caught:
        submit("nothing", "<b>", fullname="", category_id=0)
    assert [problem.field for problem in caught.value.problems] == ["fullname", "shortname", "source", "category"]


def test_long_names_of_moodle_are_truncated(moodle: Moodle) -> None:
    """Names of a source that are longer than dupdash's columns are cut, because PostgreSQL would refuse them."""
    source = moodle.course("AT&T")
    moodle.change(source.id, fullname="F" * 1333, shortname="S" * 300)
    deep = next(category for category in moodle.state.categories.values() if category.depth == 3)
    for category_id in (int(step) for step in deep.path.strip("/").split("/")):
        known = moodle.state.categories[category_id]
        moodle.state.categories[category_id] = replace(known, name="C" * 600)
    job = submit(str(source.id), category_id=deep.id)
    assert job.source_fullname == "F" * 254 + "…"
    assert job.source_shortname == "S" * 254 + "…"
    assert (len(job.category_name), job.category_name[-1]) == (1000, "…")


def test_source_is_found_by_id_or_short_name(moodle: Moodle) -> None:
    source = moodle.course("AT&T")
    assert submit(str(source.id), "ONE").source_id == source.id
    assert submit(" at&t ", "TWO").source_id == source.id


def test_ambiguous_short_name_finds_no_source(moodle: Moodle) -> None:
    moodle.add("TWINS")
    moodle.add("TWINS")
    assert refused("source", "invalidcourseid", source="TWINS")


def test_effective_options_are_stored(moodle: Moodle) -> None:
    """Options that need people are stored as off if no people are copied."""
    job = submit(options=defaults() | {"logs": True, "grade_histories": True})
    assert [name for name, on in job.options.items() if on] == ["activities", "blocks", "filters"]
    assert len(job.options) == 10


def test_no_job_is_made_while_moodle_is_down(moodle: Moodle) -> None:
    moodle.faults.set("html", function="core_course_get_categories")
    with pytest.raises(MoodleError):
        submit()
    assert DuplicationJob.objects.count() == 0


# --- one unfinished job for a short name --------------------------------------------------------------------

# Moodle treats the names of each pair as equal.
SAME_NAMES = [
    ("NEW-1", "new-1"),
    ("NEW-1", " NEW-1"),
    ("STRASSE", "straße"),
    ("İzmir", "i̇zmir"),
    ("ÉCOLE", "école"),
    ("ΣΟΦΟΣ", "σοφος"),
    ("ﬁnal", "FINAL"),
]


@pytest.mark.parametrize(("first", "second"), SAME_NAMES)
def test_taken_short_name_names_its_job(moodle: Moodle, administrator: User, first: str, second: str) -> None:
    holder = submit("AT&T", first, actor=administrator)
    with pytest.raises(InvalidRequest) as caught:
        submit("5>3", second)
    (problem,) = caught.value.problems
    assert (problem.field, problem.code, problem.job) == ("shortname", "shortnametaken", holder)
    assert problem.job is not None
    assert problem.job.requester == administrator
    assert "unfinished copy" in problem.message


@pytest.mark.parametrize(("first", "second"), SAME_NAMES)
def test_database_refuses_a_second_unfinished_job(first: str, second: str) -> None:
    a_job(State.CHECKING, first)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_job(State.QUEUED, second)


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_unresolved_job_keeps_its_short_name(moodle: Moodle, state: State) -> None:
    a_job(state, "NEW-1")
    with pytest.raises(InvalidRequest):
        submit(shortname="new-1")


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_ended_job_frees_its_name(moodle: Moodle, state: State) -> None:
    a_job(state, "NEW-1")
    assert submit(shortname="new-1").state == State.QUEUED


def test_one_of_two_concurrent_requests_wins(moodle: Moodle, client_of: MoodleClient) -> None:
    """One of two concurrent requests for a short name is accepted, although both checks found the name free."""
    one = prepare(draft("AT&T", "Straße"), Origin.FORM, client_of)
    two = prepare(draft("5>3", "STRASSE"), Origin.FORM, client_of)
    winner = jobs.submit(one, actor=None, client=client_of)
    with pytest.raises(InvalidRequest) as caught:
        jobs.submit(two, actor=None, client=client_of)
    assert caught.value.problems[0].job == winner
    assert DuplicationJob.objects.get() == winner
    assert kinds(winner) == ["submitted"]


def test_one_of_many_concurrent_requests_wins(moodle: Moodle) -> None:
    lost = []

    def ask() -> None:
        try:
            submit()
        except InvalidRequest as refusal:
            lost.append(refusal)

    people = [Background(ask) for _ in range(5)]
    for somebody in people:
        somebody.start()
    for somebody in people:
        somebody.finish()
    assert DuplicationJob.objects.count() == 1
    assert len(lost) == 4


@given(st.text(min_size=1, max_size=40))
def test_folding_a_name_twice_changes_nothing(name: str) -> None:
    assert short_name_key(short_name_key(name)) == short_name_key(name)
    assert short_name_key(f" {name.upper()} ") == short_name_key(name.upper())


@pytest.mark.parametrize("name", ["", "x" * 101, "a<b", "a<", "a < b", "two\nlines", "fine"])
def test_name_is_checked_as_it_is_sent(name: str) -> None:
    """Spaces around a name are ignored by the checks and not sent to Moodle."""
    for check in (check_short_name, check_full_name):
        assert [problem.code for problem in check(f" {name}  ")] == [problem.code for problem in check(name)]


# --- the same request twice ---------------------------------------------------------------------------------


def test_repeated_key_returns_the_first_job(moodle: Moodle, administrator: User) -> None:
    job = submit(actor=administrator, idempotency_key="k-1")
    assert idempotency.job_with_key("k-1", actor=administrator) == job
    assert idempotency.asks_for(job, draft(), job.source_id)


def test_repeated_key_returns_an_ended_job(moodle: Moodle, administrator: User) -> None:
    job = submit(actor=administrator, idempotency_key="k-1")
    DuplicationJob.objects.filter(pk=job.pk).update(state=State.FAILED, finished_at=timezone.now())
    assert idempotency.job_with_key("k-1", actor=administrator) == job


@pytest.mark.parametrize(
    "other",
    [{"shortname": "NEW-2"}, {"fullname": "Other"}, {"category_id": 3}, {"visible": False}, {"options": {"blocks": 0}}],
)
def test_other_request_is_not_the_one_of_the_job(moodle: Moodle, administrator: User, other: dict[str, Any]) -> None:
    job = submit(actor=administrator, idempotency_key="k-1")
    assert not idempotency.asks_for(job, draft(**other), job.source_id)


def test_keys_of_two_people_are_separate(moodle: Moodle, administrator: User, faculty: User) -> None:
    submit(actor=administrator, idempotency_key="k-1")
    assert idempotency.job_with_key("k-1", actor=faculty) is None


def test_requests_without_a_key_make_new_jobs(moodle: Moodle, administrator: User) -> None:
    submit(actor=administrator)
    submit("5>3", "NEW-2", actor=administrator)
    assert idempotency.job_with_key("", actor=administrator) is None


def test_concurrent_requests_with_one_key_make_one_job(
    moodle: Moodle, administrator: User, client_of: MoodleClient
) -> None:
    wish = prepare(draft(idempotency_key="k-1"), Origin.WEB_SERVICE, client_of)
    job = jobs.submit(wish, actor=administrator, client=client_of)
    with pytest.raises(InvalidRequest) as caught:
        jobs.submit(wish, actor=administrator, client=client_of)
    assert caught.value.problems[0].job == job

"""Asking for a copy: what becomes a job, and who holds a short name."""

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
from dupdash.duplication.derived_columns import short_name_key
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.request import InvalidRequest, check_full_name, check_short_name, prepare
from dupdash.duplication.states import TERMINAL, UNFINISHED, State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
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


def test_it_makes_a_queued_job_of_an_administrator_s_request(moodle: Moodle, administrator: User) -> None:
    job = submit("BIO101-2026S1", " NEW-1 ", actor=administrator, fullname=" A new one ", via="a token")
    assert (job.state, job.shortname, job.fullname) == (State.QUEUED, "NEW-1", "A new one")
    assert (job.source_id, job.source_shortname) == (moodle.course("BIO101-2026S1").id, "BIO101-2026S1")
    assert len(job.id) == 32
    assert int(job.id, 16) >= 0
    assert job.queued_at is not None
    event = job.events.get()
    assert (event.kind, event.actor, event.via, event.reason) == ("submitted", administrator, "a token", "Queued.")


def test_it_names_the_category_with_all_above_it(moodle: Moodle) -> None:
    deep = next(category for category in moodle.state.categories.values() if category.depth == 3)
    job = submit(category_id=deep.id)
    assert job.category_name.count(" / ") == 2
    assert job.category_name.endswith(deep.name)


def test_it_waits_for_approval_when_faculty_asks(moodle: Moodle, faculty: User) -> None:
    job = submit("AT&T", actor=faculty)
    assert (job.state, job.queued_at, job.dispatched_at) == (State.AWAITING_APPROVAL, None, None)
    assert job.events.get().reason == "Waits for approval."


def test_it_queues_at_once_where_faculty_needs_no_approval(moodle: Moodle, faculty: User, settings: Any) -> None:
    settings.FACULTY_NEEDS_APPROVAL = False
    assert submit("AT&T", actor=faculty).state == State.QUEUED


def test_it_makes_no_job_for_somebody_who_may_not(moodle: Moodle, help_desk: User) -> None:
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
def test_it_refuses_what_moodle_would_refuse_or_should(
    moodle: Moodle, wish: dict[str, Any], field: str, code: str
) -> None:
    assert refused(field, code, **wish)


@pytest.mark.parametrize(("name", "longest"), [("fullname", 254), ("shortname", 100)])
def test_it_takes_names_of_the_full_length(moodle: Moodle, name: str, longest: int) -> None:
    job = submit(**{"shortname": "NEW-1", "fullname": "N", name: "ü" * longest})
    job.refresh_from_db()
    assert getattr(job, name) == "ü" * longest


def test_it_tells_everything_that_is_wrong_at_once(moodle: Moodle) -> None:
    with pytest.raises(InvalidRequest) as caught:
        submit("nothing", "<b>", fullname="", category_id=0)
    assert [problem.field for problem in caught.value.problems] == ["fullname", "shortname", "source", "category"]


def test_it_keeps_as_much_of_moodles_names_as_there_is_room_for(moodle: Moodle) -> None:
    """A Moodle may allow longer ones than we do, and PostgreSQL refuses what is longer than its column."""
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


def test_it_finds_the_source_by_id_or_by_short_name(moodle: Moodle) -> None:
    source = moodle.course("AT&T")
    assert submit(str(source.id), "ONE").source_id == source.id
    assert submit(" at&t ", "TWO").source_id == source.id


def test_it_does_not_guess_between_two_sources_of_one_short_name(moodle: Moodle) -> None:
    moodle.add("TWINS")
    moodle.add("TWINS")
    assert refused("source", "invalidcourseid", source="TWINS")


def test_it_shows_what_switched_off_options_become(moodle: Moodle) -> None:
    """Whatever depends on users is off without them, before anything is sent."""
    job = submit(options=defaults() | {"logs": True, "grade_histories": True})
    assert [name for name, on in job.options.items() if on] == ["activities", "blocks", "filters"]
    assert len(job.options) == 10


def test_it_makes_no_job_while_moodle_cannot_be_asked(moodle: Moodle) -> None:
    moodle.faults.set("html", function="core_course_get_categories")
    with pytest.raises(MoodleError):
        submit()
    assert DuplicationJob.objects.count() == 0


# --- one unfinished job for a short name --------------------------------------------------------------------

# Each pair is one short name.
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
def test_it_tells_the_second_who_asks_for_a_short_name_which_job_has_it(
    moodle: Moodle, administrator: User, first: str, second: str
) -> None:
    holder = submit("AT&T", first, actor=administrator)
    with pytest.raises(InvalidRequest) as caught:
        submit("5>3", second)
    (problem,) = caught.value.problems
    assert (problem.field, problem.code, problem.job) == ("shortname", "shortnametaken", holder)
    assert problem.job is not None
    assert problem.job.requester == administrator
    assert "unfinished copy" in problem.message


@pytest.mark.parametrize(("first", "second"), SAME_NAMES)
def test_it_lets_the_database_refuse_a_second_unfinished_job(first: str, second: str) -> None:
    a_job(State.CHECKING, first)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_job(State.QUEUED, second)


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_it_keeps_a_short_name_until_the_truth_is_known(moodle: Moodle, state: State) -> None:
    a_job(state, "NEW-1")
    with pytest.raises(InvalidRequest):
        submit(shortname="new-1")


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_it_frees_a_short_name_in_the_end(moodle: Moodle, state: State) -> None:
    a_job(state, "NEW-1")
    assert submit(shortname="new-1").state == State.QUEUED


def test_it_lets_one_win_when_two_ask_at_the_same_moment(moodle: Moodle, client_of: MoodleClient) -> None:
    """Both were told that the short name is free."""
    one = prepare(draft("AT&T", "Straße"), Origin.FORM, client_of)
    two = prepare(draft("5>3", "STRASSE"), Origin.FORM, client_of)
    winner = jobs.submit(one, actor=None, client=client_of)
    with pytest.raises(InvalidRequest) as caught:
        jobs.submit(two, actor=None, client=client_of)
    assert caught.value.problems[0].job == winner
    assert DuplicationJob.objects.get() == winner
    assert kinds(winner) == ["submitted"]


def test_it_lets_one_of_many_win_when_all_ask_at_once(moodle: Moodle) -> None:
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
def test_it_folds_names_so_that_folding_again_changes_nothing(name: str) -> None:
    assert short_name_key(short_name_key(name)) == short_name_key(name)
    assert short_name_key(f" {name.upper()} ") == short_name_key(name.upper())


@pytest.mark.parametrize("name", ["", "x" * 101, "a<b", "a<", "a < b", "two\nlines", "fine"])
def test_it_judges_a_name_as_it_will_be_sent(name: str) -> None:
    """Spaces around it are not sent, and change nothing."""
    for check in (check_short_name, check_full_name):
        assert [problem.code for problem in check(f" {name}  ")] == [problem.code for problem in check(name)]


# --- the same request twice ---------------------------------------------------------------------------------


def test_it_gives_the_first_job_to_whoever_asks_twice_with_one_key(moodle: Moodle, administrator: User) -> None:
    wish = draft(idempotency_key="k-1")
    job = submit(actor=administrator, idempotency_key="k-1")
    assert idempotency.submitted_before(wish, job.source_id, actor=administrator) == job


def test_it_gives_the_first_job_even_when_it_has_ended(moodle: Moodle, administrator: User) -> None:
    job = submit(actor=administrator, idempotency_key="k-1")
    DuplicationJob.objects.filter(pk=job.pk).update(state=State.FAILED, finished_at=timezone.now())
    wish = draft(idempotency_key="k-1")
    assert idempotency.submitted_before(wish, job.source_id, actor=administrator) == job


@pytest.mark.parametrize(
    "other",
    [{"shortname": "NEW-2"}, {"fullname": "Other"}, {"category_id": 3}, {"visible": False}, {"options": {"blocks": 0}}],
)
def test_it_refuses_a_key_that_was_used_for_something_else(
    moodle: Moodle, administrator: User, other: dict[str, Any]
) -> None:
    job = submit(actor=administrator, idempotency_key="k-1")
    wish = draft(**({"idempotency_key": "k-1"} | other))
    with pytest.raises(InvalidRequest) as caught:
        idempotency.submitted_before(wish, job.source_id, actor=administrator)
    assert caught.value.problems[0].field == "idempotencykey"


def test_it_does_not_mix_up_the_keys_of_two_people(moodle: Moodle, administrator: User, faculty: User) -> None:
    job = submit(actor=administrator, idempotency_key="k-1")
    assert idempotency.submitted_before(draft(idempotency_key="k-1"), job.source_id, actor=faculty) is None


def test_it_takes_no_key_for_a_new_wish_every_time(moodle: Moodle, administrator: User) -> None:
    submit(actor=administrator)
    submit("5>3", "NEW-2", actor=administrator)
    assert idempotency.submitted_before(draft(), 1, actor=administrator) is None


def test_it_makes_one_job_of_one_key_when_both_come_at_once(
    moodle: Moodle, administrator: User, client_of: MoodleClient
) -> None:
    wish = prepare(draft(idempotency_key="k-1"), Origin.WEB_SERVICE, client_of)
    job = jobs.submit(wish, actor=administrator, client=client_of)
    with pytest.raises(InvalidRequest) as caught:
        jobs.submit(wish, actor=administrator, client=client_of)
    assert caught.value.problems[0].job == job

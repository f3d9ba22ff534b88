"""Tests the checks of the chaos runs: a correct run has no violation, and each kind of wrong result is found."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Group, User
from django.core import serializers
from django.db import transaction
from django.test import Client
from django.utils import timezone

from dupdash.duplication import jobs as verbs
from dupdash.duplication.engine.job_endings import fail
from dupdash.duplication.models import DuplicationJob, JobEvent, Proof, new_id
from dupdash.duplication.states import State
from dupdash.duplication.transitions import move_job, record_event
from tests.chaos.environment import Source
from tests.chaos.invariants import Calls, Course, violations
from tests.chaos.people import CopyPlan
from tests.duplication.fixtures import clock, moodle  # noqa: F401 - fixtures
from tests.duplication.support import (
    Clock,
    Moodle,
    check_next,
    check_until_ended,
    run_worker,
    submit,
)

pytestmark = pytest.mark.django_db(transaction=True)

WHOLE, PARTIAL, LIKELY, CANCELLED, UNWANTED, AFTER_SHELL = (f"CHAOS-{number}" for number in range(6))


@dataclass
class Run:
    """The result of a chaos run, which a test can change."""

    plans: list[CopyPlan]
    courses: list[Course]
    calls: Calls
    page: Callable[[DuplicationJob], str]

    def violations(self) -> list[str]:
        jobs = list(DuplicationJob.objects.prefetch_related("events"))
        return violations(self.plans, jobs, self.courses, self.calls, self.page)

    def violations_after(self, spoil: Callable[["Run"], object]) -> str:
        """Return the violations that are found after one change. The change is undone afterwards."""
        other = Run(list(self.plans), copy.deepcopy(self.courses), copy.deepcopy(self.calls), self.page)
        with transaction.atomic():
            spoil(other)
            found = other.violations()
            transaction.set_rollback(True)
        return "; ".join(found)

    def course(self, requested: str) -> Course:
        (course,) = [course for course in self.courses if course["requested"] == requested]
        return course

    def add_course(self, like: str, **changes: Any) -> Course:
        course = self.course(like) | {"id": max(one["id"] for one in self.courses) + 1} | changes
        self.courses.append(course)
        return course


def job(shortname: str) -> DuplicationJob:
    return DuplicationJob.objects.get(shortname=shortname)


def change(shortname: str, **columns: Any) -> None:
    assert DuplicationJob.objects.filter(shortname=shortname).update(**columns) == 1


def changed_request(job: DuplicationJob) -> CopyPlan:
    source = Source(job.source_id, job.source_shortname, job.category_id)
    cancelled = job.state == State.CANCELLED
    return CopyPlan(source, job.shortname, job.fullname, job.visible, cancelled, confirmed=cancelled)


@pytest.fixture(scope="module")
def first_run() -> list[tuple[Run, str]]:
    """The run that the first test makes, and its rows in the database. The other tests use them again."""
    return []


@pytest.fixture
def correct_run(first_run: list[tuple[Run, str]], transactional_db: None, request: pytest.FixtureRequest) -> Run:
    """A correct run with a copy of each kind. Tests change copies of it (``violations_after``)."""
    if first_run:
        for row in serializers.deserialize("json", first_run[0][1]):
            row.save()
    else:
        run = request.getfixturevalue("new_run")
        jobs, events = DuplicationJob.objects.order_by("created_at"), JobEvent.objects.order_by("id")
        rows = [*Group.objects.all(), *User.objects.all(), *jobs, *events]
        first_run.append((run, serializers.serialize("json", rows)))
    reader = Client()
    reader.force_login(User.objects.get(username="ada"))
    return replace(first_run[0][0], page=lambda job: reader.get(f"/jobs/{job.pk}/").content.decode())


@pytest.fixture
def new_run(moodle: Moodle, clock: Clock, settings: Any, administrator: User) -> Run:  # noqa: F811
    """Make one copy of each kind.

    A complete copy, a proven and an unproven partial course, a copy cancelled in time and one that had to be deleted,
    and a copy that was sent again after an empty shell was deleted.
    """
    # The usual rules with fewer checks.
    settings.CHECK_LIMIT_UNKNOWN = 1800
    settings.CHECK_FIRST = settings.CHECK_LONGEST = 300
    run_worker(submit(shortname=WHOLE))
    unwanted = submit(shortname=UNWANTED)
    moodle.when("core_course_duplicate_course", lambda: verbs.cancel(job(UNWANTED), actor=administrator))
    run_worker(unwanted)
    moodle.faults.set("killed_in_restore", step="hidden", count=1)
    check_until_ended(run_worker(submit(shortname=PARTIAL)), clock)
    moodle.faults.set("killed_in_restore", step="renamed", count=1)
    # When the checks end, the course has not been unchanged for long enough to count as partial.
    settings.CHECK_STILL_LEAST = 7200
    check_until_ended(run_worker(submit(shortname=LIKELY)), clock)
    verbs.cancel(submit(shortname=CANCELLED), actor=administrator)
    moodle.faults.set("disturbed", count=1)
    after_shell = run_worker(submit(shortname=AFTER_SHELL))
    while after_shell.state == State.CHECKING:
        check_next(after_shell, clock)
    run_worker(after_shell)
    told = {path: requests.get(f"{moodle.url}/sandbox/control{path}", timeout=10).json() for path in ("", "/courses")}
    return Run(
        [changed_request(job) for job in DuplicationJob.objects.all()],
        told["/courses"]["courses"],
        told[""]["calls"],
        lambda job: "",
    )


def test_correct_run_has_no_violation(correct_run: Run) -> None:
    states = {one.shortname: one.state for one in DuplicationJob.objects.all()}
    assert states == {
        WHOLE: State.SUCCEEDED,
        PARTIAL: State.FAILED,
        LIKELY: State.UNRESOLVED,
        CANCELLED: State.CANCELLED,
        UNWANTED: State.CANCELLED,
        AFTER_SHELL: State.SUCCEEDED,
    }
    assert job(UNWANTED).course_deleted_at is not None
    assert not correct_run.course(PARTIAL)["complete"]
    assert not correct_run.course(LIKELY)["complete"]
    assert correct_run.violations() == []
    # The job was cancelled too late, or the token may not delete courses. The copy stays, and the job says so.
    assert correct_run.violations_after(keep_copy_with_a_reason) == ""


def keep_copy_with_a_reason(run: Run) -> None:
    change(WHOLE, cancel_requested_at=timezone.now())
    record_event(job(WHOLE), kind="cancelled_copy_kept", reason="The copy was not deleted.")


def test_request_without_exactly_one_job_is_found(correct_run: Run) -> None:
    def twice(run: Run) -> None:
        second = job(CANCELLED)
        second.pk, second._state.adding = new_id(), True
        second.save()

    assert f"{WHOLE} was requested, and has 0 jobs" in correct_run.violations_after(lambda run: job(WHOLE).delete())
    assert f"{CANCELLED} was requested, and has 0 jobs" in correct_run.violations_after(
        lambda run: job(CANCELLED).delete()
    )
    assert f"{CANCELLED} was requested, and has 2 jobs" in correct_run.violations_after(twice)
    assert "was never asked for" in correct_run.violations_after(lambda run: run.plans.pop(0))


def test_job_that_differs_from_its_request_is_found(correct_run: Run) -> None:
    columns: list[dict[str, Any]] = [{"fullname": "Another"}, {"category_id": 3}, {"visible": False}, {"source_id": 1}]
    for column in columns:
        said = correct_run.violations_after(lambda run, column=column: change(CANCELLED, **column))
        assert "is not what was asked for" in said, column


def test_job_cancelled_by_nobody_is_found(correct_run: Run) -> None:
    def never_cancelled(run: Run) -> None:
        run.plans = [replace(plan, cancelled=False) for plan in run.plans]

    assert "is cancelled, and nobody wanted that" in correct_run.violations_after(never_cancelled)


def test_forgotten_cancellation_is_found(correct_run: Run) -> None:
    """A copy that still exists after a confirmed cancellation is a violation."""

    def confirm_cancellation(run: Run) -> None:
        run.plans = [replace(plan, confirmed=True) for plan in run.plans]

    assert f"({WHOLE}) does not know that it was cancelled" in correct_run.violations_after(confirm_cancellation)


def test_undeleted_copy_without_a_reason_is_found(correct_run: Run) -> None:
    assert "was not deleted" in correct_run.violations_after(
        lambda run: change(WHOLE, cancel_requested_at=timezone.now())
    )


def test_deletion_of_a_foreign_course_is_found(correct_run: Run) -> None:
    """Deleting the source or a course that somebody else made is a violation."""
    source = job(WHOLE).source_id

    def delete_source(run: Run) -> None:
        run.courses[:] = [course for course in run.courses if course["id"] != source]

    assert "is gone" in correct_run.violations_after(delete_source)


def test_deletion_of_a_course_that_no_job_made_is_found(correct_run: Run) -> None:
    (deleted,) = [course for course in correct_run.calls["deleted"] if course["requested"] == UNWANTED]
    persons = {**deleted, "id": 4711, "shortname": "AT&T_1", "origin": "person", "requested": ""}
    said = correct_run.violations_after(lambda run: run.calls["deleted"].append(persons))
    assert "course 4711 (AT&T_1, origin: person) was deleted, and no job is proven" in said
    changes: list[dict[str, Any]] = [{"course_id": None}, {"proof": ""}, {"course_id": 1}, {"course_deleted_at": None}]
    for columns in changes:
        said = correct_run.violations_after(lambda run, columns=columns: change(UNWANTED, **columns))
        assert f"course {deleted['id']} ({UNWANTED}, origin: copy) was deleted, and no job is proven" in said, columns


def test_deletion_of_a_mistaken_course_is_found(correct_run: Run) -> None:
    """Deleting another course than that of the job is a violation, even if the timeline looks right."""
    for made in ({"origin": "person", "requested": ""}, {"requested": WHOLE}):
        said = correct_run.violations_after(lambda run, made=made: run.calls["deleted"][0].update(made))
        assert f"({UNWANTED}) deleted course" in said, made


def test_unrequested_deletion_is_found(correct_run: Run) -> None:
    removals = job(UNWANTED).events.filter(kind="cancelled_copy_deleted")
    assert f"({UNWANTED}) deleted course" in correct_run.violations_after(lambda run: removals.update(kind="cancelled"))


def test_run_without_a_sent_job_is_a_violation(moodle: Moodle) -> None:  # noqa: F811
    for number in range(3):
        one = submit(shortname=f"CHAOS-{number}")
        move_job(one, State.RUNNING, kind="started", reason="A worker claimed the job.")
        fail(one, "unreachable", "Moodle is away.")
    told = {path: requests.get(f"{moodle.url}/sandbox/control{path}", timeout=10).json() for path in ("", "/courses")}
    jobs = list(DuplicationJob.objects.prefetch_related("events"))
    plans = [changed_request(one) for one in jobs]
    found = violations(plans, jobs, told["/courses"]["courses"], told[""]["calls"], lambda job: "")
    assert "not one of 3 jobs succeeded" in found
    assert len([one for one in found if "failed (unreachable) after 1 attempts" in one]) == 3


@pytest.mark.parametrize("code", ["unreachable", "worker_lost", "shortnametaken"])
def test_job_that_gave_up_too_early_is_found(correct_run: Run, settings: Any, code: str) -> None:
    settings.RETRY_ATTEMPTS = 3

    def said(*turns: str) -> str:
        """Return the violations if all attempts except the last one ended in this way."""

        def give_up(run: Run) -> None:
            run.plans = [replace(plan, confirmed=False) for plan in run.plans]
            change(CANCELLED, state=State.FAILED, failure_code=code)
            job(CANCELLED).events.exclude(kind="submitted").delete()
            for kind in (*turns, "failed"):
                add_event(CANCELLED, "started", State.QUEUED, State.RUNNING)
                add_event(CANCELLED, kind, State.RUNNING, State.FAILED if kind == "failed" else State.QUEUED)

        return correct_run.violations_after(give_up)

    too_early = f"failed ({code}) after 2 attempts, and was never sent"
    assert too_early in said("again_later")
    assert too_early in said("worker_lost")
    # Waiting for another copy and a misconfigured site do not use up an attempt.
    assert too_early in said("again_later", "source_busy", "paused")
    assert said("again_later", "worker_lost") == ""
    # A configuration fault that only this job meets, each time, also ends the job.
    assert said("paused", "paused") == ""


def add_event(shortname: str, kind: str, from_state: State, to_state: State) -> None:
    """Add an event that did not happen."""
    JobEvent.objects.create(job=job(shortname), kind=kind, from_state=from_state, to_state=to_state, reason="So.")


def test_unsettled_job_is_found(correct_run: Run) -> None:
    for state in (State.QUEUED, State.RUNNING, State.CHECKING):
        assert f"is still {state}" in correct_run.violations_after(
            lambda run, state=state: change(CANCELLED, state=state)
        )


def test_wrong_result_is_found(correct_run: Run) -> None:
    said = correct_run.violations_after
    for state in (State.FAILED, State.UNRESOLVED, State.CANCELLED):
        assert "and 1 complete courses are its own" in said(lambda run, state=state: change(WHOLE, state=state))
    assert "is succeeded, and 0 complete" in said(lambda run: run.courses.remove(run.course(WHOLE)))
    assert "is succeeded, and 0 complete" in said(lambda run: run.course(WHOLE).update(fullname="Another"))
    assert "is succeeded, and 0 complete" in said(lambda run: run.course(WHOLE).update(complete=False))
    assert "is succeeded, and 2 complete" in said(lambda run: run.add_course(WHOLE))


def test_succeeded_job_with_a_wrong_course_is_found(correct_run: Run) -> None:
    def names_the_partial_twin(run: Run) -> None:
        change(WHOLE, course_id=run.add_course(WHOLE, complete=False)["id"])

    assert "and its copy is" in correct_run.violations_after(names_the_partial_twin)
    assert "and its copy is" in correct_run.violations_after(lambda run: change(WHOLE, course_id=job(WHOLE).source_id))
    assert "and its copy is" in correct_run.violations_after(lambda run: change(WHOLE, course_id=None))


def test_deletion_of_a_course_that_is_no_shell_is_seen(correct_run: Run) -> None:
    def spoil(columns: dict[str, Any]) -> Callable[[Run], None]:
        def act(run: Run) -> None:
            (shell,) = [course for course in run.calls["deleted"] if course["requested"] == AFTER_SHELL]
            shell.update(columns)

        return act

    for columns in ({"complete": True}, {"visible": True}, {"sections": 2}, {"modules": 1}):
        said = correct_run.violations_after(spoil(columns))
        assert "as an empty shell, which it is not" in said, columns
        assert "more than one may have started" in said, columns


def test_request_that_is_sent_again_too_often_is_seen(correct_run: Run) -> None:
    def again(run: Run) -> None:
        found = job(AFTER_SHELL).events.get(kind="shell_deleted")
        for _ in range(2):
            found.pk = None
            found.save(force_insert=True)

    assert f"({AFTER_SHELL}) was sent again after 3 empty courses" in correct_run.violations_after(again)


def test_copy_that_differs_from_its_request_is_found(correct_run: Run) -> None:
    for what in ("category", "visible", "sections", "modules"):
        assert f"{what} of its course" in correct_run.violations_after(
            lambda run, what=what: run.course(WHOLE).update({what: 0})
        )


def test_short_name_sent_twice_is_found(correct_run: Run) -> None:
    def asked_again(run: Run) -> None:
        run.calls["asked"][PARTIAL.casefold()] += 1

    def made_again(run: Run) -> None:
        run.calls["created"][PARTIAL.casefold()] += 1

    def sent_twice(run: Run) -> None:
        sent = job(LIKELY).events.get(kind="sent")
        JobEvent.objects.create(job=job(LIKELY), kind="sent", from_state=sent.from_state, to_state=sent.to_state)

    assert "reached Moodle 2 times" in correct_run.violations_after(asked_again)
    assert "more than one may have started" in correct_run.violations_after(made_again)
    assert f"({LIKELY}) was sent a second time" in correct_run.violations_after(sent_twice)


def test_unnamed_partial_course_is_found(correct_run: Run) -> None:
    id_of_partial, id_of_likely = correct_run.course(PARTIAL)["id"], correct_run.course(LIKELY)["id"]

    def forgotten(shortname: str) -> None:
        """Remove the course from the callouts and the timeline of the job."""
        change(shortname, course_id=None, proof="", evidence={})
        JobEvent.objects.filter(job__shortname=shortname).update(reason=f"Looked for {shortname}.")

    def named_by_another(run: Run) -> None:
        forgotten(LIKELY)
        change(WHOLE, evidence={"candidates": [{"id": id_of_likely, "shortname": "AT&T_1", "fullname": "A copy"}]})
        change(CANCELLED, course_id=id_of_likely, proof=Proof.SEEN)

    assert f"course {id_of_partial} " in correct_run.violations_after(lambda run: forgotten(PARTIAL))
    for spoil in (lambda run: forgotten(LIKELY), named_by_another):
        said = correct_run.violations_after(spoil)
        assert f"course {id_of_likely} " in said
        assert f"({LIKELY}), which is unresolved, does not name it" in said


def test_course_without_a_job_is_found(correct_run: Run) -> None:
    assert "was made for no job" in correct_run.violations_after(lambda run: run.add_course(WHOLE, requested="CHAOS-9"))


def test_unresolved_job_without_an_explanation_is_found(correct_run: Run) -> None:
    def change_to_course_of_a_person(run: Run) -> None:
        run.add_course(LIKELY, shortname="AT&T_2", origin="person", requested="", complete=True)

    def silent(run: Run) -> None:
        job(LIKELY).events.filter(kind="unresolved").update(reason="It is not known.")

    assert "which may be its own" in correct_run.violations_after(change_to_course_of_a_person)
    assert "does not name the course that was checked" in correct_run.violations_after(silent)


def test_broken_timeline_is_found(correct_run: Run) -> None:
    events = job(WHOLE).events
    said = correct_run.violations_after
    assert "goes from" in said(lambda run: events.filter(kind="started").delete())
    assert "goes from" in said(lambda run: events.filter(kind="submitted").update(to_state=State.FAILED))
    assert "its story ends running" in said(lambda run: events.filter(kind="succeeded").delete())
    assert "says no reason" in said(lambda run: events.filter(kind="sent").update(reason=" "))

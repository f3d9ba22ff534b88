"""Tests the asynchronous driver with the proposed functions: one call starts a copy, and housekeeping follows it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from dupdash.duplication import jobs, tasks
from dupdash.duplication.engine import recovery
from dupdash.duplication.models import DuplicationJob, MoodleHealth, Phase
from dupdash.duplication.moodle_clients import open_async_client, open_client
from dupdash.duplication.progress import progress
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.records import FINISHED_OK
from tests.duplication.support import (
    Clock,
    Moodle,
    a_job,
    await_until,
    check_next,
    check_until_ended,
    dispatch_again,
    kinds,
    reason,
    refusal,
    run_worker,
    serving,
    submit,
    timeline_of,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

START = "core_course_async_duplicate_course"
STATUS = "core_course_async_duplicate_course_get_status"
STATUSES = "core_course_async_duplicate_course_get_statuses"
RESULT = "core_course_async_duplicate_course_get_result"


@pytest.fixture
def moodle(settings: Any) -> Iterator[Moodle]:
    with serving(settings, Moodle(speed=50, proposed=True)) as moodle:
        yield moodle


@pytest.fixture
def plugin(settings: Any) -> Iterator[Moodle]:
    """A site with the plugin, which returns the status of many copies in one call."""
    with serving(settings, Moodle(speed=50, plugin=True)) as moodle:
        yield moodle


def followed_to_the_end(job: DuplicationJob, moodle: Moodle, clock: Clock) -> DuplicationJob:
    """Have housekeeping follow the job to its end. The clock is moved forward only after the site has finished."""

    def settled() -> bool:
        check_next(job, clock)
        return job.state != State.RUNNING

    await_until(settled, "the site to be done")
    return check_until_ended(job, clock)


def test_worker_is_free_as_soon_as_the_site_accepts(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup"):
        job = run_worker(submit())
        assert (job.state, job.driver, job.lease_owner) == (State.RUNNING, "asynchronous", "")
        assert job.duplicate_id
        assert job.events.get(kind="accepted").data == {"duplicateid": job.duplicate_id}
        assert MoodleHealth.current().driver == "asynchronous"
    followed_to_the_end(job, moodle, clock)
    assert (job.state, job.course_id) == (State.SUCCEEDED, moodle.course("NEW-1").id)
    assert job.verification is not None
    assert job.verification["complete"]


def test_running_copy_is_not_recovered_as_a_lost_worker(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup"):
        job = run_worker(submit())
        recovery.recover_expired_leases()
        clock.forward(600)
        tasks.sweep()
        job.refresh_from_db()
        assert job.state == State.RUNNING, timeline_of(job)


def test_request_is_not_repeated_when_a_proxy_answers_for_the_site(moodle: Moodle, clock: Clock) -> None:
    job = submit()

    def ask() -> None:
        with open_async_client() as site:
            site.async_duplicate_course(
                source_id=job.source_id,
                fullname=job.fullname,
                shortname=job.shortname,
                category_id=job.category_id,
                options=job.options,
            )

    with moodle.held_at("backup"):
        moodle.replace_answer(START, 403, sent_by=ask, until=lambda: moodle.wait_for_step("backup"))
        run_worker(job)
        assert job.state == State.CHECKING, timeline_of(job)
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert [course.id for course in moodle.made()] == [job.course_id]


def test_second_message_is_ignored_while_the_site_works(moodle: Moodle) -> None:
    with moodle.held_at("backup"):
        job = run_worker(submit())
        dispatch_again(job)
        run_worker(job)
        assert kinds(job).count("started") == 1


def test_copy_in_the_background_holds_a_slot(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 1
    with moodle.held_at("backup"):
        run_worker(submit())
        waiting = submit("5>3", "NEW-2")
        waiting.refresh_from_db()
        assert waiting.dispatched_at is None


def test_reported_progress_is_shown_and_never_goes_back(moodle: Moodle, clock: Clock) -> None:
    """The shown progress never decreases, although the site's progress jumps to 1 and restarts in the second phase."""
    figures = [0.0]
    with moodle.held_at("backup", "hidden", "renamed", "content"):
        job = run_worker(submit())
        for step in ("backup", "hidden", "renamed", "content"):
            moodle.wait_for_step(step)
            for _ in range(3):
                check_next(job, clock)
                shown = progress(job)
                assert not shown.estimated
                assert shown.time_left is None
                figures.append(shown.number)
            moodle.gates.release(step)
    assert [kind for kind in kinds(job) if kind.endswith("_seen")] == ["course_seen", "content_seen"]
    followed_to_the_end(job, moodle, clock)
    figures.append(progress(job).number)
    assert figures == sorted(figures)
    assert figures[-1] == 1.0
    assert any(0 < figure < 1 for figure in figures)


def test_lower_reported_progress_is_ignored(moodle: Moodle, clock: Clock) -> None:
    figures = []
    with moodle.held_at("backup"):
        job = run_worker(submit())
        for figure in (0.8, 0.2, 0.9, 0.0):
            moodle.answer_with(STATUS, {"phase": 1, "status": 800, "progress": figure})
            check_next(job, clock)
            figures.append(progress(job).number)
    assert figures == [0.4, 0.4, 0.45, 0.45]


def test_hidden_copy_uses_the_synchronous_driver(moodle: Moodle) -> None:
    """A hidden copy uses the synchronous driver, because the proposed functions have no parameter for visibility."""
    job = run_worker(submit(visible=False))
    assert (job.state, job.driver) == (State.SUCCEEDED, "synchronous")
    assert moodle.course("NEW-1").visible == 0


def test_copy_that_the_site_calls_failed_is_checked(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", step="renamed", count=1)
    with moodle.held_at("renamed"):
        job = run_worker(submit())
        moodle.wait_for_step("renamed")
        check_next(job, clock)
        assert job.restore_at is not None
        assert job.source_released_at is not None
    followed_to_the_end(job, moodle, clock)
    (partial,) = moodle.made()
    assert (job.state, job.failure_code, job.likely_course_id) == (State.FAILED, "finished_err", partial.id)
    assert "Moodle reports that the copy failed" in reason(job, "checking")


def test_copy_that_died_on_the_site_is_checked_at_the_deadline(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """If PHP is killed, the site reports the same status for ever, and the copy is checked at the deadline."""
    settings.CHECK_LIMIT_UNKNOWN = 600
    settings.FOLLOW_INTERVAL = 20
    moodle.faults.set("killed_in_restore", step="renamed", count=1)
    with moodle.held_at("renamed"):
        job = run_worker(submit())
        moodle.wait_for_step("renamed")
        check_next(job, clock)
    moodle.wait_for_copies()
    check_until_ended(job, clock)
    (partial,) = moodle.made()
    assert (job.state, job.likely_course_id) == (State.FAILED, partial.id), timeline_of(job)
    assert job.may_have_left_course


# --- Answers about another duplication --------------------------------------------------------------------------------


def check_several_times(job: DuplicationJob, clock: Clock) -> None:
    for _ in range(6):
        check_next(job, clock)


def test_status_of_another_copy_makes_no_second_course(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup"):
        job = run_worker(submit())
        moodle.wait_for_step("backup")
        moodle.answer_with(STATUS, {"phase": 1, "status": 900, "progress": 1})
        check_several_times(job, clock)
        assert job.state == State.CHECKING, timeline_of(job)
        with pytest.raises(CannotDo), open_client() as client:
            jobs.retry(job, actor=None, client=client)
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert len(moodle.made()) == 1


def test_running_restore_is_no_partial_course(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("hidden"):
        job = run_worker(submit())
        moodle.wait_for_step("hidden")
        check_next(job, clock)
        moodle.answer_with(STATUS, {"phase": 2, "status": 900, "progress": 1})
        check_several_times(job, clock)
        assert (job.state, job.left_partial_course) == (State.CHECKING, False), timeline_of(job)


def test_start_answered_with_the_id_of_another_copy_is_checked(moodle: Moodle, clock: Clock) -> None:
    moodle.faults.set("exception_in_restore", function=START, count=1)
    first = run_worker(submit("BIO101-2026S1", "OLD-1"))
    followed_to_the_end(first, moodle, clock)
    assert first.state == State.FAILED
    with moodle.held_at("backup"):
        moodle.faults.set("wrong_course", function=START, count=1)
        job = run_worker(submit())
        check_several_times(job, clock)
        assert job.state == State.CHECKING, timeline_of(job)
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


@pytest.mark.parametrize(
    "result",
    [
        {"state": "running", "shortname": "NEW-1"},
        {"state": "checking", "shortname": "NEW-1"},
        {"state": "succeeded", "shortname": "NEW-1"},
        {"state": "failed", "shortname": "OTHER-1"},
    ],
)
def test_status_that_contradicts_the_result_is_ignored(moodle: Moodle, clock: Clock, result: dict[str, str]) -> None:
    with moodle.held_at("backup"):
        job = run_worker(submit())
        moodle.wait_for_step("backup")
        DuplicationJob.objects.filter(pk=job.pk).update(driver="plugin")
        moodle.answer_with(STATUS, {"phase": 1, "status": 900, "progress": 0.3})
        moodle.answer_with(RESULT, {**result, "failurecode": None, "failuremessage": None})
        check_several_times(job, clock)
        assert job.state == State.RUNNING, timeline_of(job)


# --- A site that does not answer --------------------------------------------------------------------------------------


def test_refused_token_pauses_dispatch_while_following(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup"):
        job = run_worker(submit())
        moodle.answer_once(STATUS, "invalidtoken", "Invalid token - token not found")
        check_next(job, clock)
        assert job.state == State.RUNNING
        assert MoodleHealth.current().paused_at is not None


def test_copy_is_checked_when_the_site_refuses_its_status(moodle: Moodle, clock: Clock, settings: Any) -> None:
    settings.CHECK_LIMIT_UNKNOWN = 60
    moodle.answer_with(STATUS, refusal("accessexception"))
    job = run_worker(submit())
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


def test_refused_lookup_is_not_reported_as_an_unknown_id(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("hidden"):
        job = run_worker(submit())
        moodle.wait_for_step("hidden")
        check_next(job, clock)
        moodle.answer_once("core_course_get_contents", "requireloginerror", "Course or activity not accessible.")
        check_next(job, clock)
        assert job.state == State.RUNNING, timeline_of(job)


@pytest.mark.parametrize("fault", ["html", "reset_after", "empty", "bad_gateway"])
def test_copy_is_found_when_the_answer_to_the_start_was_lost(moodle: Moodle, clock: Clock, fault: str) -> None:
    moodle.faults.set(fault, function=START, count=1)
    job = run_worker(submit())
    assert (job.state, job.duplicate_id) == (State.CHECKING, "")
    await_until(lambda: moodle.made() and moodle.made()[0].complete, "the copy to be done")
    assert check_until_ended(job, clock).state == State.SUCCEEDED
    assert moodle.calls.created["new-1"] == 1


def test_nothing_is_sent_when_the_preflight_fails(moodle: Moodle) -> None:
    job = submit()
    moodle.when(
        "core_webservice_get_site_info",
        lambda: moodle.faults.set("html", function="core_course_get_courses_by_field"),
    )
    run_worker(job)
    assert (job.state, job.sent_at) == (State.QUEUED, None), timeline_of(job)


def test_following_continues_after_missing_answers(moodle: Moodle, clock: Clock) -> None:
    job = run_worker(submit())
    moodle.faults.set("html", function=STATUS, count=6)
    followed_to_the_end(job, moodle, clock)
    assert job.state == State.SUCCEEDED


def test_copy_with_an_unknown_id_is_checked(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("backup"):
        job = run_worker(submit())
        moodle.wait_for_step("backup")
        moodle.answer_once(STATUS, "invalidrecord", "Can't find data record in database table backup_controllers.")
        check_next(job, clock)
        assert job.state == State.CHECKING
        assert "no longer knows" in reason(job, "checking")
    moodle.wait_for_copies()
    assert check_until_ended(job, clock).state == State.SUCCEEDED


def test_copy_of_a_cancelled_job_is_deleted_when_finished(moodle: Moodle, clock: Clock) -> None:
    with moodle.held_at("hidden"):
        job = run_worker(submit())
        moodle.wait_for_step("hidden")
        check_next(job, clock)
        jobs.cancel(job, actor=None)
    assert followed_to_the_end(job, moodle, clock).state == State.CANCELLED
    assert moodle.made() == []


def test_job_fails_when_its_name_is_taken_just_before_sending(moodle: Moodle) -> None:
    job = submit()
    moodle.when(START, lambda: moodle.add("NEW-1"))
    run_worker(job)
    assert (job.state, job.failure_code) == (State.FAILED, "shortnametaken")


def test_setting_forces_the_synchronous_driver(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_DRIVER = "synchronous"
    assert run_worker(submit()).driver == "synchronous"


def test_forced_driver_without_its_functions_pauses_dispatch(moodle: Moodle, settings: Any) -> None:
    settings.MOODLE_DRIVER = "asynchronous"
    moodle.switches.withdrawn = frozenset({STATUS})
    assert run_worker(submit()).state == State.QUEUED
    assert STATUS in MoodleHealth.current().fault_message


# --- A site that returns the status of many copies in one call --------------------------------------------------------


def sources(moodle: Moodle, count: int) -> list[str]:
    small = [course for course in moodle.state.courses() if 0 < len(course.modules) <= 60]
    return [course.shortname for course in small[:count]]


def started(moodle: Moodle, count: int) -> list[DuplicationJob]:
    """Create jobs whose copies the site is making, each with its own source."""
    return [run_worker(submit(source, f"NEW-{number}")) for number, source in enumerate(sources(moodle, count))]


def test_hundred_running_copies_are_followed_with_one_call(plugin: Moodle, clock: Clock, settings: Any) -> None:
    settings.MOODLE_CONCURRENCY = 200
    plugin.moodle.duplications.at_once = 100  # type: ignore[union-attr]
    with plugin.held_at("backup"):
        for number, source in enumerate(sources(plugin, 100)):
            with open_async_client() as site:
                course = plugin.course(source)
                duplicate_id = site.async_duplicate_course(
                    source_id=course.id,
                    fullname=f"Copy called NEW-{number}",
                    shortname=f"NEW-{number}",
                    category_id=2,
                    options={},
                )
            now = timezone.now()
            a_job(
                State.RUNNING,
                f"NEW-{number}",
                source_id=course.id,
                source_shortname=source,
                driver="plugin",
                duplicate_id=duplicate_id,
                baseline={"names": [], "present": []},
                sent_at=now,
                started_at=now,
                check_at=now,
                phase=Phase.BACKUP,
            )
        assert DuplicationJob.objects.filter(state=State.RUNNING).count() == 100
        plugin.wait_for_step("backup", "NEW-99")
        plugin.called.clear()
        clock.forward(1)
        tasks.sweep()
        assert plugin.called == {STATUSES: 1}
    plugin.wait_for_copies()

    def all_ended() -> bool:
        clock.forward(1)
        tasks.sweep()
        return not DuplicationJob.objects.filter(state=State.RUNNING).exists()

    await_until(all_ended, "all copies to be concluded")
    assert DuplicationJob.objects.filter(state=State.SUCCEEDED).count() == 100
    assert plugin.called[STATUS] == 0


def test_no_lookup_while_the_site_reports_overall_progress(plugin: Moodle, clock: Clock) -> None:
    with plugin.held_at("backup", "hidden", "renamed", "content"):
        job = run_worker(submit())
        plugin.called.clear()
        for step in ("backup", "hidden", "renamed", "content"):
            plugin.wait_for_step(step)
            check_next(job, clock)
            assert (job.phase, job.restore_at is None) == (
                (Phase.BACKUP, True) if step == "backup" else ("restore", False)
            )
            plugin.gates.release(step)
        assert set(plugin.called) == {STATUSES}
    followed_to_the_end(job, plugin, clock)
    assert (job.state, job.course_id) == (State.SUCCEEDED, plugin.course("NEW-1").id)


def test_copy_with_an_unknown_id_does_not_stop_the_others(plugin: Moodle, clock: Clock) -> None:
    with plugin.held_at("backup"):
        forgotten, other = started(plugin, 2)
        DuplicationJob.objects.filter(pk=forgotten.pk).update(duplicate_id="unknown")
        check_next(forgotten, clock)
        other.refresh_from_db()
        assert (forgotten.state, other.state) == (State.CHECKING, State.RUNNING)
        assert "no longer knows the copy with the id unknown" in reason(forgotten, "checking")


def test_statuses_are_read_one_by_one_when_the_list_is_refused(plugin: Moodle, clock: Clock) -> None:
    with plugin.held_at("backup"):
        first, second = started(plugin, 2)
        plugin.answer_once(STATUSES, "invalidparameter", "Invalid parameter value detected")
        check_next(second, clock)
        assert plugin.called[STATUS] == 2
        assert {DuplicationJob.objects.get(pk=job.pk).state for job in (first, second)} == {State.RUNNING}


def test_failure_names_the_reason_that_the_site_reports(plugin: Moodle, clock: Clock) -> None:
    plugin.faults.set("storedfilenotcreated", count=1)
    job = followed_to_the_end(run_worker(submit()), plugin, clock)
    assert (job.state, job.failure_code) == (State.FAILED, "storedfilenotcreated")


def test_lost_answers_do_not_delay_the_end_of_a_followed_copy(plugin: Moodle, clock: Clock) -> None:
    """A finished copy is noticed soon, even if housekeeping makes slow lookups for jobs whose answer was lost."""
    job = run_worker(submit())

    def done() -> bool:
        reported = plugin.moodle.duplications.row(job.duplicate_id)  # type: ignore[union-attr]
        return reported is not None and reported.status == FINISHED_OK

    await_until(done, "the copy to be done")
    lookups: list[str] = []

    def look_slowly() -> None:
        lookups.append(DuplicationJob.objects.get(pk=job.pk).state)
        clock.forward(5)
        connection.close()

    DuplicationJob.objects.filter(pk=job.pk).update(check_at=timezone.now() + timedelta(seconds=3))
    for number in range(3):
        long_ago = timezone.now() - timedelta(seconds=60)
        a_job(
            State.CHECKING, f"LOST-{number}", source_id=900 + number, sent_at=long_ago, checking_since=long_ago,
            check_at=long_ago, baseline={"names": [f"SRC{number}_1"], "present": []},
        )  # fmt: skip
        plugin.when("core_course_get_courses_by_field", look_slowly, about=f"SRC{number}_1")
    tasks.sweep()
    assert lookups == [State.RUNNING, State.SUCCEEDED, State.SUCCEEDED]

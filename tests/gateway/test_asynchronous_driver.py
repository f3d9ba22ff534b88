"""Tests the asynchronous driver on a site that has only the two proposed functions, start and get_status."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dupdash.duplication import tasks
from dupdash.duplication.driver_choice import DUPLICATE
from dupdash.duplication.explanations import explain_failure
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.progress import overall_of_report, progress
from dupdash.duplication.states import State
from dupdash.sandbox.faults import make_fault
from dupdash.sandbox.http_messages import Response
from tests.duplication.fixtures import SPEED
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check,
    check_next,
    check_until_ended,
    dispatch_again,
    kinds,
    reason,
    run_worker,
    serving,
    submit,
    timeline_of,
)
from tests.gateway.support import DUPLICATE as START
from tests.gateway.support import SITE_INFO, STATUS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]

WAITING = "core_course_duplicate_course"
WIRE = Path(__file__).parent.parent / "wire"


class ProposedSite(Moodle):
    """A sandbox with both proposed functions."""

    def report_once(self, function: str, report: dict[str, Any]) -> None:
        """Answer the next call of a function with this report."""
        body = json.dumps(report).encode()
        self._steps.append((function, "", lambda: Response(200, "application/json", body)))


@pytest.fixture
def site(settings: Any) -> Iterator[ProposedSite]:
    """Run such a sandbox as dupdash's Moodle site. At the end assert that no copy was requested or made twice."""
    with serving(settings, ProposedSite(speed=SPEED, proposed=True)) as site:
        yield site


def calls_of(site: ProposedSite, function: str) -> list[int]:
    """Return a list that gets an entry at the next call of this function."""
    seen: list[int] = []
    site.when(function, lambda: seen.append(1))
    return seen


def ended(job: DuplicationJob, clock: Clock) -> DuplicationJob:
    return check_until_ended(job, clock)


def test_site_with_both_services_gets_the_asynchronous_driver(site: ProposedSite, clock: Clock) -> None:
    waited = calls_of(site, WAITING)
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.driver) == (State.RUNNING, "asynchronous")
    ended(job, clock)
    assert job.state == State.SUCCEEDED, timeline_of(job)
    assert job.course_id == site.course("N-1").id
    assert not waited
    assert kinds(job)[:4] == ["submitted", "started", "sent", "accepted"]


def test_worker_is_free_while_the_site_copies(site: ProposedSite, clock: Clock) -> None:
    """A worker is free while the site makes the copy, so that few workers can handle many copies."""
    sources = ["AT&T", "BIO101-2026S1", "5>3", "SHELL"]
    with site.held_at("renamed"):
        running = [run_worker(submit(source, f"N-{number}")) for number, source in enumerate(sources)]
        assert [job.state for job in running] == [State.RUNNING] * 4
        assert all(job.duplicate_id and not job.lease_owner for job in running)
        tasks.sweep()
    assert [ended(job, clock).state for job in running] == [State.SUCCEEDED] * 4


def test_id_of_the_site_is_stored_before_it_is_used(site: ProposedSite, clock: Clock) -> None:
    stored: list[str] = []
    site.when(STATUS, lambda: stored.append(DuplicationJob.objects.get().duplicate_id))
    job = run_worker(submit(shortname="N-1"))
    ended(job, clock)
    assert stored == [job.duplicate_id]
    assert len(job.duplicate_id) == 32


@pytest.mark.parametrize("trouble", ["reset_after", "empty", "html", "truncated", "bad_gateway"])
def test_lost_answer_to_the_start_is_checked_in_moodle(site: ProposedSite, clock: Clock, trouble: str) -> None:
    site.faults.add(make_fault(trouble, count=1, function=START))
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.duplicate_id) == (State.CHECKING, "")
    ended(job, clock)
    assert job.state == State.SUCCEEDED, timeline_of(job)
    assert site.calls.asked["n-1"] == 1


def test_id_that_the_site_forgot_is_checked_in_moodle(site: ProposedSite, clock: Clock) -> None:
    with site.held_at("renamed"):
        job = run_worker(submit(shortname="N-1"))
        site.wait_for_step("renamed")
        site.moodle.duplications.clear()  # type: ignore[union-attr]
        check_next(job, clock)
        assert job.state == State.CHECKING
    ended(job, clock)
    assert job.state == State.SUCCEEDED, timeline_of(job)


def test_site_that_does_not_answer_is_asked_again(
    site: ProposedSite, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0, 0.0))
    with site.held_at("renamed"):
        job = run_worker(submit(shortname="N-1"))
        site.faults.add(make_fault("bad_gateway", function=STATUS))
        check_next(job, clock)
        assert (job.state, job.duplicate_id != "") == (State.RUNNING, True)
        site.faults.clear()
    assert ended(job, clock).state == State.SUCCEEDED, timeline_of(job)


def test_reported_failure_is_checked_in_moodle(site: ProposedSite, clock: Clock) -> None:
    site.faults.add(make_fault("exception_in_restore", function=START))
    job = run_worker(submit(shortname="N-1"))
    ended(job, clock)
    assert job.state == State.FAILED, timeline_of(job)
    assert "Moodle reports that the copy failed" in reason(job, "checking")
    assert site.calls.created["n-1"] == 1


def test_refusal_of_the_site_fails_the_job_at_once(site: ProposedSite) -> None:
    site.answer_once(START, "nopermissions", "Sorry")
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.failure_code) == (State.FAILED, "nopermissions")


@pytest.mark.parametrize("code", ["moodleunreachable", "ratelimited"])
def test_temporary_refusal_of_another_dupdash_is_retried(site: ProposedSite, clock: Clock, code: str) -> None:
    site.answer_once(START, code, "Nothing was started.")
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.sent_at) == (State.QUEUED, None)
    dispatch_again(job)
    assert ended(run_worker(job), clock).state == State.SUCCEEDED, timeline_of(job)
    assert site.calls.asked["n-1"] == 1


def test_outage_before_sending_starts_nothing(site: ProposedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0, 0.0))
    # All functions except the first call of the engine.
    break_it = make_fault("site_down", function="*")
    site.when(SITE_INFO, lambda: site.faults.add(break_it))
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.sent_at) == (State.QUEUED, None)
    assert "Nothing was started" in reason(job, "site_down")


def test_hidden_copy_is_made_by_the_synchronous_driver(site: ProposedSite) -> None:
    """The synchronous driver makes hidden copies, because the proposed functions have no parameter for visibility."""
    job = run_worker(submit(shortname="N-1", visible=False))
    assert (job.state, job.driver) == (State.SUCCEEDED, "synchronous")
    assert not site.course("N-1").visible


def test_hidden_copy_without_the_stock_function_fails_with_advice(site: ProposedSite) -> None:
    site.switches.withdrawn = frozenset({DUPLICATE})
    job = run_worker(submit(shortname="N-1", visible=False))
    assert (job.state, job.failure_code) == (State.FAILED, "hidden_copy_not_possible")
    assert "choose that students see the copy" in explain_failure(job).change
    assert not site.made()


def test_setting_forces_the_synchronous_driver(site: ProposedSite, settings: Any) -> None:
    settings.MOODLE_DRIVER = "synchronous"
    started = calls_of(site, START)
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.driver) == (State.SUCCEEDED, "synchronous")
    assert not started


def test_site_without_get_status_gets_the_synchronous_driver(site: ProposedSite) -> None:
    site.switches.withdrawn = frozenset({STATUS})
    assert run_worker(submit(shortname="N-1")).driver == "synchronous"


# --- Progress --------------------------------------------------------------------------------------------


def test_progress_from_moodles_phases_never_goes_backward() -> None:
    """The overall progress never decreases, although Moodle's progress jumps and restarts in the second phase."""
    trace = json.loads((WIRE / "trace_copy_progress.json").read_text())["trace"]
    assert any(after["progress"] < before["progress"] for before, after in pairwise(trace))
    shown, floor = [], 0.0
    for entry in trace:
        phase = 2 if entry["operation"] == "restore" else 1
        figure = overall_of_report(phase, entry["status"], entry["progress"], reports_overall_progress=False)
        # A jump to 1 at the start of a phase must not look like its end.
        assert figure < 1
        if (phase, entry["progress"]) == (2, 1):
            assert figure == 0.5
        floor = max(floor, figure)
        shown.append(floor)
    assert shown[0] == 0
    assert max(shown[:3]) < 0.5
    assert shown[-2] > 0.99


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1.0, 17.0])
def test_invalid_progress_is_limited_to_the_valid_range(figure: float) -> None:
    for whole in (True, False):
        assert 0 <= overall_of_report(1, 800, figure, reports_overall_progress=whole) <= 1


def test_job_keeps_its_progress_when_the_site_goes_backward(site: ProposedSite) -> None:
    reports = [(1, 800, 0.9), (1, 800, 0.4), (2, 800, 0.6), (2, 800, 0.2), (2, 700, 1.0), (1, 800, 0.9), (2, 800, 0.7)]
    shown = []
    with site.held_at("renamed"):
        job = run_worker(submit(shortname="N-1"))
        site.wait_for_step("renamed")
        for phase, status, figure in reports:
            site.report_once(STATUS, {"phase": phase, "status": status, "progress": figure})
            check(job)
            shown.append((job.phase, round(progress(job).number, 3)))
    assert [number for _, number in shown] == [0.45, 0.45, 0.8, 0.8, 0.8, 0.8, 0.85]
    assert [phase for phase, _ in shown[2:]] == [Phase.RESTORE] * 5


def test_progress_of_a_followed_copy_never_goes_backward(site: ProposedSite) -> None:
    site.moodle.pace.speed = 5
    job = run_worker(submit("BIO101-2026S1", "N-1"))
    shown: list[tuple[int, float]] = []

    def look_on() -> bool:
        check(job)
        shown.append((1 + (job.phase == Phase.RESTORE), progress(job).number))
        return job.state == State.SUCCEEDED

    await_until(look_on, "the copy to succeed")
    assert shown == sorted(shown)
    assert shown[-1] == (2, 1.0)
    assert any(0 < number < 0.5 for _, number in shown)
    assert any(0.5 <= number < 1 for _, number in shown)

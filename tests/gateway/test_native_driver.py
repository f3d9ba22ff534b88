"""Jobs on a site that has the proposed services: started with the first, followed with the second."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dupdash.duplication import tasks
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.progress import overall_of_report, progress
from dupdash.duplication.states import State
from dupdash.sandbox.faults import make_fault
from dupdash.sandbox.php_values import Response
from tests.duplication.fixtures import SPEED
from tests.duplication.support import (
    Clock,
    Moodle,
    await_until,
    check,
    kinds,
    look,
    look_until_settled,
    point_at,
    reason,
    run_worker,
    scale_periods,
    story,
    submit,
    told_again_at_once,
)
from tests.gateway.support import DUPLICATE as START
from tests.gateway.support import SITE_INFO, STATUS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_stories")]

WAITING = "core_course_duplicate_course"
WIRE = Path(__file__).parent.parent / "wire"


class Native(Moodle):
    """A Moodle that has both services."""

    def report_once(self, function: str, report: dict[str, Any]) -> None:
        """Have the next call of a function answered with this."""
        body = json.dumps(report).encode()
        self._steps.append((function, "", lambda: Response(200, "application/json", body)))


@pytest.fixture
def site(settings: Any) -> Iterator[Native]:
    """At the end nothing may have been sent or made twice."""
    with Native(speed=SPEED, native=True) as site:
        scale_periods(settings)
        point_at(settings, site)
        yield site
        site.gates.release()
    site.never_sent_twice()


def calls_of(site: Native, function: str) -> list[int]:
    """One entry for each call of a function from now on; only the next of each kind is counted."""
    seen: list[int] = []
    site.when(function, lambda: seen.append(1))
    return seen


def ended(job: DuplicationJob, clock: Clock) -> DuplicationJob:
    return look_until_settled(job, clock)


def test_a_site_that_has_both_is_worked_with_natively(site: Native, clock: Clock) -> None:
    waited = calls_of(site, WAITING)
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.driver) == (State.RUNNING, "asynchronous")
    ended(job, clock)
    assert job.state == State.SUCCEEDED, story(job)
    assert job.course_id == site.course("N-1").id
    assert not waited
    assert kinds(job)[:4] == ["submitted", "started", "sent", "accepted"]


def test_the_worker_is_free_while_the_site_copies(site: Native, clock: Clock) -> None:
    """So that few workers follow many copies."""
    sources = ["AT&T", "BIO101-2026S1", "5>3", "SHELL"]
    with site.held_at("renamed"):
        running = [run_worker(submit(source, f"N-{number}")) for number, source in enumerate(sources)]
        assert [job.state for job in running] == [State.RUNNING] * 4
        assert all(job.duplicate_id and not job.lease_owner for job in running)
        tasks.sweep()
    assert [ended(job, clock).state for job in running] == [State.SUCCEEDED] * 4


def test_the_sites_id_is_stored_before_anything_else_is_done_with_it(site: Native, clock: Clock) -> None:
    stored: list[str] = []
    site.when(STATUS, lambda: stored.append(DuplicationJob.objects.get().duplicate_id))
    job = run_worker(submit(shortname="N-1"))
    ended(job, clock)
    assert stored == [job.duplicate_id]
    assert len(job.duplicate_id) == 32


@pytest.mark.parametrize("trouble", ["reset_after", "empty", "html", "truncated", "bad_gateway"])
def test_a_lost_answer_to_the_start_is_looked_up_like_any_other(site: Native, clock: Clock, trouble: str) -> None:
    site.faults.add(make_fault(trouble, count=1, function=START))
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.duplicate_id) == (State.CHECKING, "")
    ended(job, clock)
    assert job.state == State.SUCCEEDED, story(job)
    assert site.calls.asked["n-1"] == 1


def test_a_site_that_forgot_the_id_is_looked_at_instead(site: Native, clock: Clock) -> None:
    with site.held_at("renamed"):
        job = run_worker(submit(shortname="N-1"))
        site.wait_for_step("renamed")
        site.moodle.duplications.clear()
        look(job, clock)
        assert job.state == State.CHECKING
    ended(job, clock)
    assert job.state == State.SUCCEEDED, story(job)


def test_a_site_that_does_not_answer_for_a_while_is_asked_again(
    site: Native, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0,))
    with site.held_at("renamed"):
        job = run_worker(submit(shortname="N-1"))
        site.faults.add(make_fault("bad_gateway", function=STATUS))
        look(job, clock)
        assert (job.state, job.duplicate_id != "") == (State.RUNNING, True)
        site.faults.clear()
    assert ended(job, clock).state == State.SUCCEEDED, story(job)


def test_a_failure_that_the_site_reports_is_looked_at_before_it_is_believed(site: Native, clock: Clock) -> None:
    site.faults.add(make_fault("exception_in_restore", function=START))
    job = run_worker(submit(shortname="N-1"))
    ended(job, clock)
    assert job.state == State.FAILED, story(job)
    assert "the site says that the copy failed" in reason(job, "checking")
    assert site.calls.created["n-1"] == 1


def test_what_the_site_refuses_is_a_failure_at_once(site: Native) -> None:
    site.answer_once(START, "nopermissions", "Sorry")
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.failure_code) == (State.FAILED, "nopermissions")


@pytest.mark.parametrize("code", ["moodleunreachable", "ratelimited"])
def test_what_another_dupdash_could_not_take_just_now_is_sent_again_later(
    site: Native, clock: Clock, code: str
) -> None:
    site.answer_once(START, code, "Nothing was started.")
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.sent_at) == (State.QUEUED, None)
    told_again_at_once(job)
    assert ended(run_worker(job), clock).state == State.SUCCEEDED, story(job)
    assert site.calls.asked["n-1"] == 1


def test_an_outage_before_anything_was_sent_starts_nothing(site: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.0,))
    break_it = make_fault("bad_gateway", function=SITE_INFO)
    # The engine asks first, and then the driver.
    site.when(SITE_INFO, lambda: site.when(SITE_INFO, lambda: site.faults.add(break_it)))
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.sent_at) == (State.QUEUED, None)
    assert "Nothing was started" in reason(job, "site_down")


def test_a_hidden_copy_is_made_by_the_service_that_can_hide_it(site: Native) -> None:
    """The proposed service has no parameter for it."""
    job = run_worker(submit(shortname="N-1", visible=False))
    assert (job.state, job.driver) == (State.SUCCEEDED, "synchronous")
    assert not site.course("N-1").visible


def test_the_driver_can_be_forced(site: Native, settings: Any) -> None:
    settings.MOODLE_DRIVER = "synchronous"
    started = calls_of(site, START)
    job = run_worker(submit(shortname="N-1"))
    assert (job.state, job.driver) == (State.SUCCEEDED, "synchronous")
    assert not started


def test_a_site_without_the_second_service_is_not_worked_with_natively(site: Native) -> None:
    site.switches.withdrawn = frozenset({STATUS})
    assert run_worker(submit(shortname="N-1")).driver == "synchronous"


# --- Figures ---------------------------------------------------------------------------------------------


def test_moodles_own_figures_become_one_that_never_goes_backward() -> None:
    """Measured on Moodle 4.5.6: they start again in the second phase, jump to 1 and come back."""
    trace = json.loads((WIRE / "trace_copy_progress.json").read_text())["trace"]
    assert any(after["progress"] < before["progress"] for before, after in pairwise(trace))
    shown, floor = [], 0.0
    for entry in trace:
        phase = 2 if entry["operation"] == "restore" else 1
        figure = overall_of_report(phase, entry["status"], entry["progress"], of_the_whole=False)
        # A jump to 1 while a phase prepares must not be taken for its end.
        assert figure < 1
        if (phase, entry["progress"]) == (2, 1):
            assert figure == 0.5
        floor = max(floor, figure)
        shown.append(floor)
    assert shown[0] == 0
    assert max(shown[:3]) < 0.5
    assert shown[-2] > 0.99


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1.0, 17.0])
def test_a_figure_that_is_none_is_not_believed(figure: float) -> None:
    for whole in (True, False):
        assert 0 <= overall_of_report(1, 800, figure, of_the_whole=whole) <= 1


def test_a_site_whose_figures_go_backward_is_not_followed_there(site: Native) -> None:
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


def test_what_is_shown_of_a_copy_never_goes_backward(site: Native) -> None:
    site.speed = 5
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

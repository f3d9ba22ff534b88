"""Tests random sequences of actions on jobs: only allowed transitions happen, and the timeline is complete."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dupdash.duplication import approval_actions, course_decisions, jobs
from dupdash.duplication.engine import recovery
from dupdash.duplication.models import DuplicationJob, JobEvent, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import dispatch, leases
from dupdash.duplication.request import DuplicationRequest, InvalidRequest
from dupdash.duplication.states import TERMINAL, TRANSITIONS, UNFINISHED, IllegalTransition, State
from dupdash.duplication.transitions import StaleJob, move_job, record_event
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.name_comparison import short_name_key
from dupdash.moodle.options import effective
from tests.duplication.support import Moodle, a_job, assert_complete_timelines

REFUSALS = (CannotDo, InvalidRequest)

shortnames = st.sampled_from(["ONE", "one", "STRASSE", "straße", "TWO"])
anyone = st.integers(0, 30)


class Jobs(RuleBasedStateMachine):
    """A model of the jobs: the last state of each job, and the row and timeline of each job that has ended."""

    client: MoodleClient
    source_id: int

    def __init__(self) -> None:
        super().__init__()
        JobEvent.objects.all().delete()
        DuplicationJob.objects.update(retry_of=None)
        DuplicationJob.objects.all().delete()
        self.ended: dict[str, dict[str, Any]] = {}
        self.stale: list[DuplicationJob] = []

    @initialize()
    def begin_with_one_of_each(self) -> None:
        for state in (State.QUEUED, State.AWAITING_APPROVAL, State.UNRESOLVED):
            a_job(state, f"FIRST-{state}", source_id=self.source_id, source_shortname="AT&T")

    # --- Requests

    @rule(shortname=shortnames)
    def submit(self, shortname: str) -> None:
        free = not DuplicationJob.objects.reserving_short_name(shortname).exists()
        try:
            jobs.submit(self.request(shortname), actor=None, client=self.client)
        except InvalidRequest:
            assert not free
        else:
            assert free

    @rule(which=anyone)
    def retry(self, which: int) -> None:
        job = self.job(which)
        self.attempt(
            lambda: jobs.retry(job, actor=None, client=self.client), job.state in (State.FAILED, State.CANCELLED)
        )

    # --- Actions of people

    @rule(which=anyone, old=st.booleans())
    def approve(self, which: int, old: bool) -> None:
        job = self.job(which, old)
        self.attempt(lambda: approval_actions.approve(job, actor=None), job.state == State.AWAITING_APPROVAL)

    @rule(which=anyone, shortname=shortnames)
    def edit_and_approve(self, which: int, shortname: str) -> None:
        job = self.job(which)
        wish = self.request(shortname)
        self.attempt(
            lambda: approval_actions.edit_and_approve(job, wish, actor=None), job.state == State.AWAITING_APPROVAL
        )

    @rule(which=anyone, old=st.booleans())
    def reject(self, which: int, old: bool) -> None:
        job = self.job(which, old)
        self.attempt(
            lambda: approval_actions.reject(job, reason="No.", actor=None), job.state == State.AWAITING_APPROVAL
        )

    @rule(which=anyone, old=st.booleans())
    def cancel(self, which: int, old: bool) -> None:
        job = self.job(which, old)
        self.attempt(lambda: jobs.cancel(job, actor=None), job.state in UNFINISHED)

    @rule(which=anyone, old=st.booleans())
    def settle(self, which: int, old: bool) -> None:
        job = self.job(which, old)
        self.attempt(
            lambda: course_decisions.settle(job, course_id=None, reason="I looked.", actor=None, client=self.client),
            job.state == State.UNRESOLVED,
        )

    # --- workers and housekeeping

    @rule(which=anyone)
    def claim(self, which: int) -> None:
        job = self.job(which)
        dispatch.dispatch()
        job.refresh_from_db()
        lease = leases.claim(job.pk)
        assert (lease is not None) == (job.state == State.QUEUED and job.dispatched_at is not None)
        if lease is not None:
            assert leases.claim(job.pk) is None

    @rule(which=anyone)
    def send(self, which: int) -> None:
        job = self.job(which)
        if job.state != State.RUNNING:
            return
        try:
            with transaction.atomic():
                record_event(job, kind="sent", reason="Sent.", guard={"sent_at__isnull": True}, sent_at=timezone.now())
        except (StaleJob, IntegrityError):
            pass

    @precondition(lambda self: DuplicationJob.objects.filter(state=State.RUNNING).exists())
    @rule()
    def lose_all_workers(self) -> None:
        DuplicationJob.objects.filter(state=State.RUNNING).update(
            lease_until=None, lease_expired_seen_at=timezone.now() - timedelta(days=1)
        )
        recovery.recover_expired_leases()
        assert not DuplicationJob.objects.filter(state=State.RUNNING, duplicate_id="").exists()

    @rule(which=anyone, to_state=st.sampled_from(list(State)), old=st.booleans())
    def move_anywhere(self, which: int, to_state: State, old: bool) -> None:
        job = self.job(which, old)
        now = DuplicationJob.objects.get(pk=job.pk).state
        try:
            with transaction.atomic():
                move_job(job, to_state, kind="moved", reason="Because.")
        except IllegalTransition:
            assert to_state not in TRANSITIONS[job.state]
        except StaleJob:
            assert now != job.state
        except IntegrityError:
            assert job.sent_at is not None, "only the rule about sources may refuse it"
        else:
            assert job.state == to_state
            assert to_state in TRANSITIONS[now]

    @rule(which=anyone)
    def remember(self, which: int) -> None:
        """Remember a loaded job, so that a later action uses this outdated state, as from a page that was left open."""
        self.stale.append(self.job(which))

    # --- what always holds

    @invariant()
    def timelines_are_complete(self) -> None:
        assert_complete_timelines()

    @invariant()
    def ended_jobs_do_not_change(self) -> None:
        ended = DuplicationJob.objects.filter(state__in=TERMINAL).annotate(told=Count("events")).values()
        for row in ended:
            # The only later change is the mark that a retry exists.
            row.pop("is_retried")
            assert row["finished_at"] is not None
            assert self.ended.setdefault(row["id"], row) == row
        assert {row["id"] for row in ended} == set(self.ended)

    @invariant()
    def unfinished_jobs_have_different_short_names(self) -> None:
        held = [short_name_key(job.shortname) for job in DuplicationJob.objects.unfinished()]
        assert len(held) == len(set(held))

    @invariant()
    def only_running_jobs_have_a_lease(self) -> None:
        assert not DuplicationJob.objects.exclude(state=State.RUNNING).exclude(lease_owner="").exists()

    # --- helpers

    def job(self, which: int, old: bool = False) -> DuplicationJob:
        if old and self.stale:
            return self.stale[which % len(self.stale)]
        every = list(DuplicationJob.objects.order_by("created_at", "pk"))
        return every[which % len(every)]

    def attempt(self, act: Callable[[], object], possible: bool) -> None:
        """Run an action. A forbidden action must be refused. An allowed one may be refused, for example by its name."""
        try:
            act()
        except REFUSALS:
            return
        assert possible

    def request(self, shortname: str) -> DuplicationRequest:
        return DuplicationRequest(
            self.source_id, "AT&T", "Source", "A copy", shortname, 2, "There", True, effective({}), Origin.FORM
        )


@pytest.mark.django_db
def test_rules_hold_for_random_actions(moodle: Moodle) -> None:
    with open_client() as client:
        Jobs.client, Jobs.source_id = client, moodle.course("AT&T").id
        run_state_machine_as_test(
            Jobs,
            settings=settings(
                max_examples=15,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                # Shrinking a failing sequence takes minutes, and a sequence of 25 steps is readable.
                phases=[Phase.explicit, Phase.reuse, Phase.generate],
            ),
        )


def test_jobs_have_the_planned_transitions() -> None:
    assert {
        "awaiting_approval": {"queued", "rejected", "cancelled"},
        "queued": {"running", "cancelled", "awaiting_approval"},
        "running": {"succeeded", "failed", "checking", "queued", "cancelled"},
        # Checking to queued: the empty shell of an error was deleted, so the request is sent again.
        "checking": {"succeeded", "failed", "cancelled", "unresolved", "queued"},
        "unresolved": {"succeeded", "failed", "cancelled"},
    } == {str(state): {str(other) for other in moves} for state, moves in TRANSITIONS.items() if moves}
    assert {"succeeded", "failed", "cancelled", "rejected"} == TERMINAL

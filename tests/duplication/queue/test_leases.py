"""Tests leases: which worker has a job, which clock counts, and when a job is recovered."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication.engine import recovery
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue import leases
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.states import State
from tests.duplication.support import Clock, Moodle, await_until, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


def claimed(job: DuplicationJob) -> Lease:
    lease = leases.claim(job.pk)
    assert lease is not None
    return lease


def expire(job: DuplicationJob) -> None:
    DuplicationJob.objects.filter(pk=job.pk).update(lease_until=leases.Now() - timedelta(seconds=1))


def state_after_a_sweep(job: DuplicationJob) -> str:
    recovery.recover_expired_leases()
    job.refresh_from_db()
    return job.state


def test_first_sweep_after_a_database_outage_recovers_no_job(moodle: Moodle) -> None:
    """The first sweep after a database outage recovers no job, although all leases have expired."""
    job = submit()
    lease = claimed(job)
    expire(job)
    assert state_after_a_sweep(job) == State.RUNNING
    assert job.lease_expired_seen_at is not None
    assert lease.renew()
    job.refresh_from_db()
    assert job.lease_expired_seen_at is None, "the next doubt begins anew"


def test_unrenewed_lease_is_recovered_after_half_a_lease(moodle: Moodle, settings: Any) -> None:
    settings.LEASE_SECONDS = 1
    job = submit()
    claimed(job)
    expire(job)
    began = time.monotonic()
    await_until(lambda: state_after_a_sweep(job) == State.QUEUED, "the job to be recovered")
    assert time.monotonic() - began > 0.4
    assert job.lease_expired_seen_at is None


def test_lease_uses_the_database_clock(moodle: Moodle, clock: Clock, settings: Any) -> None:
    """Leases use the clock of the database, so that hosts with different clocks agree."""
    settings.LEASE_SECONDS = 60
    job = submit()
    clock.forward(86_400)
    claimed(job)
    job.refresh_from_db()
    assert job.lease_until is not None
    assert job.lease_until < timezone.now() - timedelta(seconds=86_400 - 120)


def test_lost_lease_is_not_renewed(moodle: Moodle) -> None:
    job = submit()
    lease = claimed(job)
    until = timezone.now() + timedelta(hours=1)
    DuplicationJob.objects.filter(pk=job.pk).update(lease_owner="else:1:x", lease_until=until)
    assert not lease.renew()
    assert lease.lost.is_set()
    job.refresh_from_db()
    assert (job.lease_owner, job.lease_until) == ("else:1:x", until)


def test_lease_is_not_renewed_when_the_job_moved_on(moodle: Moodle) -> None:
    job = submit()
    lease = claimed(job)
    recovery.recover_worker_group("alone", at_fault=False)
    assert not lease.renew()
    job.refresh_from_db()
    assert (job.state, job.lease_until) == (State.QUEUED, None)

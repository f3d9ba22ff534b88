"""Tests how dupdash decides from the database whether a worker is running."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dupdash.duplication.models import ClusterHeartbeat, DatabaseWriteProbe, DuplicationJob, FinishedSweep
from dupdash.duplication.queue import worker_status
from dupdash.duplication.queue.dispatch import COPIES, HOUSEKEEPING
from dupdash.duplication.queue.leases import lease_end
from dupdash.duplication.states import State
from tests.duplication.support import a_job

pytestmark = pytest.mark.django_db


def _heartbeat(cluster: str, *, minutes_ago: float) -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    ClusterHeartbeat.objects.update_or_create(worker_group=cluster, cluster=cluster, defaults={"at": at})


def test_no_worker_has_run_on_a_new_database() -> None:
    status = worker_status.current()
    assert (status.running, status.last_seen_at) == (False, None)
    assert "systemctl start dupdash-worker" in status.advice


def test_worker_runs_while_heartbeats_of_the_copies_cluster_arrive() -> None:
    _heartbeat(COPIES, minutes_ago=0.1)
    status = worker_status.current()
    assert status.running
    assert status.advice == ""


def test_missing_worker_was_last_seen_at_its_last_sign_of_life() -> None:
    _heartbeat(COPIES, minutes_ago=30)
    last = timezone.now() - timedelta(minutes=20)
    DatabaseWriteProbe.objects.create(at=last)
    FinishedSweep.objects.create(token="", at=last - timedelta(seconds=3))
    status = worker_status.current()
    assert (status.running, status.last_seen_at, status.supervisor_running) == (False, last, False)


def test_worker_runs_while_every_process_is_busy_with_a_copy() -> None:
    """A worker counts as running while all its processes are busy, because they renew the leases of their jobs."""
    _heartbeat(COPIES, minutes_ago=30)
    job = a_job(State.RUNNING)
    DuplicationJob.objects.filter(pk=job.pk).update(lease_until=lease_end())
    assert worker_status.current().running
    DuplicationJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    assert not worker_status.current().running


def test_copy_processes_can_be_dead_beside_a_living_supervisor() -> None:
    _heartbeat(COPIES, minutes_ago=30)
    _heartbeat(HOUSEKEEPING, minutes_ago=0.1)
    status = worker_status.current()
    assert (status.running, status.supervisor_running) == (False, True)
    assert status.last_seen_at == ClusterHeartbeat.objects.get(cluster=COPIES).at
    assert "systemctl restart dupdash-worker" in status.advice

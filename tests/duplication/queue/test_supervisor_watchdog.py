"""Tests when the supervisor enqueues heartbeats and sweeps, and when it restarts a cluster.

The clusters of these tests only sleep, and the tests control the messages in their queues.
"""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from dupdash.duplication import tasks
from dupdash.duplication.models import FinishedSweep
from dupdash.duplication.queue import cluster_process, dispatch, leases
from dupdash.duplication.queue.cluster_process import ForkedProcess
from dupdash.duplication.queue.supervisor import Cluster, Supervisor
from dupdash.duplication.states import State
from tests.duplication.installation import COPIES, HOUSEKEEPING
from tests.duplication.support import a_job, await_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("complete_timelines")]


class Watch:
    """A supervisor of one cluster that only sleeps, and all messages that the supervisor enqueued."""

    def __init__(self, folder: Path) -> None:
        self.supervisor = Supervisor()
        self.cluster = Cluster("")
        self.asked: list[tuple[str, float]] = []
        # How many messages of each task are lost before one is delivered.
        self.to_lose: dict[str, float] = {}
        self._folder = folder
        self._processes: list[Any] = []

    def of(self, name: str, *, sleeps: float = 600) -> None:
        """Set which cluster is supervised, and how long its process lives."""
        self.sleeps = sleeps
        self.cluster = Cluster(name)
        self.supervisor._clusters = [self.cluster]
        self.until(lambda: self.cluster.process, "the cluster to be started")

    def become_cluster(self, *_: Any) -> None:
        """Replace the program of the cluster by one that stores its start time, on a clock that all processes share."""
        with (self._folder / "starts").open("a") as starts:
            starts.write(f"{time.monotonic()}\n")
        time.sleep(self.sleeps)

    def take(self, task: str, *arguments: str, cluster: str) -> None:
        """Take a message as the broker does. A message that is not lost is delivered at once."""
        name = task.rpartition(".")[2]
        self.asked.append((name, time.monotonic()))
        left = self.to_lose.get(name, 0)
        self.to_lose[name] = left - 1
        if left <= 0 and name == "heartbeat":
            tasks.heartbeat(*arguments)
        if left <= 0 and name == "sweep":
            token = arguments[0]
            FinishedSweep.objects.update_or_create(id=1, defaults={"token": token, "at": timezone.now()})

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Run the supervisor until a condition holds."""

        def tended() -> object:
            self.supervisor._check(self.cluster)
            if self.cluster.process is not None and self.cluster.process not in self._processes:
                self._processes.append(self.cluster.process)
            return condition()

        await_until(tended, what)

    def times(self, task: str) -> list[float]:
        """Return the times at which this task was enqueued."""
        return [when for name, when in self.asked if name == task]

    def starts(self) -> list[float]:
        return [float(line) for line in (self._folder / "starts").read_text().split()]

    @property
    def was_replaced(self) -> bool:
        return self.cluster.process is not self._processes[0]

    def end(self) -> None:
        for process in self._processes:
            kill(process)
        for end in self.supervisor._pipe:
            os.close(end)


def kill(process: ForkedProcess) -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)


@pytest.fixture
def watch(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    settings.HEARTBEAT_INTERVAL, settings.HEARTBEAT_LIMIT = 0.1, 2.0
    settings.SWEEP_INTERVAL = 0.1
    settings.RESTART_FIRST, settings.RESTART_LONGEST = 0.05, 0.3
    watch = Watch(tmp_path)
    monkeypatch.setattr(dispatch, "async_task", watch.take)
    monkeypatch.setattr(cluster_process, "_become_cluster", watch.become_cluster)
    yield watch
    watch.end()


# --- Heartbeats ---------------------------------------------------------------------------------------------


def test_single_lost_heartbeat_does_not_restart_the_cluster(watch: Watch, settings: Any) -> None:
    """A single lost heartbeat does not restart the cluster, because another heartbeat is sent in time."""
    watch.to_lose = {"heartbeat": 1}
    watch.of(COPIES)
    watch.until(lambda: len(watch.times("heartbeat")) > 2, "the cluster to be heard again")
    assert not watch.was_replaced
    first, second, *_ = watch.times("heartbeat")
    assert second - first > 4 * settings.HEARTBEAT_INTERVAL, "nor are they piled up where a queue is slow"


def all_busy(watch: Watch, settings: Any, *, for_seconds: float) -> None:
    """Create a running job for every worker, with a lease until this time, so that no worker reads the queue."""
    settings.MOODLE_CONCURRENCY = 2
    watch.to_lose = {"heartbeat": float("inf")}
    watch.of(COPIES)
    for number in range(2):
        owner = f"{watch.cluster.worker_group}:{number}:x"
        until = leases.Now() + timedelta(seconds=for_seconds)
        a_job(State.RUNNING, f"BUSY-{number}", source_id=number, lease_owner=owner, lease_until=until)


def test_renewed_leases_prove_that_busy_workers_live(watch: Watch, settings: Any) -> None:
    all_busy(watch, settings, for_seconds=3600)
    began = time.monotonic()
    watch.until(lambda: watch.was_replaced or time.monotonic() - began > 2 * settings.HEARTBEAT_LIMIT, "a long silence")
    assert not watch.was_replaced


def test_expired_leases_do_not_prove_that_workers_live(watch: Watch, settings: Any) -> None:
    """Expired leases do not prove that the workers live, so the cluster is restarted."""
    all_busy(watch, settings, for_seconds=-1)
    watch.until(lambda: watch.was_replaced, "the cluster to be given up")


# --- Several hosts with one queue ---------------------------------------------------------------------------


def come_out_elsewhere(watch: Watch, monkeypatch: pytest.MonkeyPatch, *, except_every: int) -> None:
    """Let the other hosts run the heartbeats, except every n-th one."""
    count = itertools.count(1)
    run = tasks.heartbeat

    def heartbeat(*arguments: str) -> None:
        here = next(count) % except_every == 0
        monkeypatch.setenv(leases.WORKER_GROUP_VARIABLE, watch.cluster.worker_group if here else "elsewhere")
        run(*arguments)

    monkeypatch.setattr(tasks, "heartbeat", heartbeat)


def test_cluster_is_restarted_if_only_other_hosts_run_the_heartbeats(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_out_elsewhere(watch, monkeypatch, except_every=10_000)
    watch.of(COPIES)
    watch.until(lambda: watch.was_replaced, "the cluster to be given up")


def test_cluster_that_runs_few_of_the_heartbeats_is_not_restarted(
    watch: Watch, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that runs few of the heartbeats is not restarted, because more are sent after a long silence."""
    settings.HEARTBEAT_INTERVAL = 0.5
    come_out_elsewhere(watch, monkeypatch, except_every=10)
    watch.of(COPIES)
    began = time.monotonic()
    watch.until(lambda: time.monotonic() - began > 2 * settings.HEARTBEAT_LIMIT, "a long time")
    assert not watch.was_replaced


def test_hosts_share_one_sweep_per_interval_and_one_host_alone_continues(watch: Watch, settings: Any) -> None:
    settings.SWEEP_INTERVAL = 0.5
    watch.of(HOUSEKEEPING)
    watch.until(lambda: watch.times("sweep"), "the first sweep")
    began = time.monotonic()

    def others_sweep() -> bool:
        FinishedSweep.objects.update_or_create(id=1, defaults={"token": str(time.monotonic()), "at": timezone.now()})
        return time.monotonic() - began > 4 * settings.SWEEP_INTERVAL

    watch.until(others_sweep, "a long time")
    assert len(watch.times("sweep")) == 1
    watch.until(lambda: len(watch.times("sweep")) > 2, "sweeps of this host")


# --- Sweeps -------------------------------------------------------------------------------------------------


def test_lost_sweep_is_enqueued_again(watch: Watch, settings: Any) -> None:
    """A lost sweep is enqueued again, but not too early, because sweeps would pile up with a slow database."""
    settings.REDISPATCH_AFTER = 2.0
    watch.to_lose = {"sweep": 1}
    watch.of(HOUSEKEEPING)
    watch.until(lambda: len(watch.times("sweep")) > 2, "sweeps to go on")
    lost, again, after = watch.times("sweep")
    assert again - lost > settings.REDISPATCH_AFTER / 2
    assert after - again < settings.REDISPATCH_AFTER, "that one was done, and the next one follows as always"


def test_new_cluster_gets_a_sweep_after_the_old_one_died(watch: Watch, settings: Any) -> None:
    settings.REDISPATCH_AFTER = 3600
    watch.to_lose = {"sweep": 1}
    watch.of(HOUSEKEEPING)
    watch.until(lambda: watch.times("sweep"), "the first sweep")
    assert watch.cluster.process is not None
    os.kill(watch.cluster.process.pid, signal.SIGKILL)
    watch.until(lambda: len(watch.times("sweep")) > 1, "a sweep of the new cluster")
    assert watch.was_replaced


@pytest.mark.parametrize(("duplicate_id", "frequent"), [("abc", True), ("", False)])
def test_sweeps_are_frequent_only_while_copies_are_followed(
    watch: Watch, settings: Any, duplicate_id: str, frequent: bool
) -> None:
    settings.SWEEP_INTERVAL, settings.STATUS_INTERVAL = 3, 0.1
    a_job(State.RUNNING, duplicate_id=duplicate_id)
    watch.of(HOUSEKEEPING)
    watch.until(lambda: len(watch.times("sweep")) > 1, "two sweeps")
    first, second = watch.times("sweep")[:2]
    # The limit is halfway between both intervals, so that a busy machine does not change the result.
    assert (second - first < 1.5) is frequent


def test_mail_and_callbacks_are_sent_more_rarely_than_sweeps_are_made(watch: Watch) -> None:
    watch.of(HOUSEKEEPING)
    watch.until(lambda: len(watch.times("sweep")) > 6, "some sweeps")
    # One task does both.
    assert 2 < len(watch.times("send_messages_and_clean_up")) < 2 * len(watch.times("sweep"))


# --- A cluster that ends ------------------------------------------------------------------------------------


def test_cluster_that_ends_at_once_is_restarted_less_often(watch: Watch, settings: Any) -> None:
    """A cluster that ends at once is restarted at growing intervals, up to a limit."""
    pauses: list[float] = []
    ends: list[float] = []

    def ended_often() -> bool:
        if watch.cluster.start_again_at not in (0.0, *ends):
            ends.append(watch.cluster.start_again_at)
            pauses.append(watch.cluster.restart_pause)
        return len(pauses) > 5

    watch.of(COPIES, sleeps=0)
    watch.until(ended_often, "the cluster to end often")
    assert pauses[0] <= 2 * settings.RESTART_FIRST
    assert pauses[1:] == [min(settings.RESTART_LONGEST, 2 * before) for before in pauses[:-1]]
    assert pauses[-1] == settings.RESTART_LONGEST
    waited = [after - before for before, after in itertools.pairwise(watch.starts())]
    assert all(longer > pause for longer, pause in zip(waited, pauses, strict=False)), "it does wait that long"


def test_healthy_cluster_is_restarted_soon(watch: Watch, settings: Any) -> None:
    watch.of(COPIES)
    watch.cluster.restart_pause = settings.RESTART_LONGEST
    watch.cluster.started -= 60
    assert watch.cluster.process is not None
    os.kill(watch.cluster.process.pid, signal.SIGKILL)
    watch.until(lambda: watch.was_replaced, "the end to be noticed")
    assert watch.cluster.restart_pause == settings.RESTART_FIRST

"""Runs two django-q2 clusters, one for copies and one for housekeeping, and restarts a cluster that stops working.

django-q2 does not notice all of its own failures: if an idle worker is killed while it holds the queue's lock, the
whole cluster hangs for ever (measured). So the supervisor sends a heartbeat task through each queue. If no worker runs
it in time, although the database accepts writes, the broker accepts messages and some worker should be free, the
supervisor kills the cluster's process group and starts a new one. No job is lost: the supervisor recovers the jobs of
the killed processes at once.

A thread does all this. The main thread only waits for a signal, so SIGTERM ends all processes at once even if the
database or the broker hangs.
"""

import contextlib
import logging
import math
import os
import signal
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import SimpleQueue

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.db.models.functions import Coalesce
from django.utils import timezone

from dupdash.duplication.engine import recovery
from dupdash.duplication.engine.follow import FOLLOWED
from dupdash.duplication.models import ClusterHeartbeat, DatabaseWriteProbe, DuplicationJob, FinishedSweep
from dupdash.duplication.queue.cluster_process import ForkedProcess, fork_cluster, load_program
from dupdash.duplication.queue.dispatch import COPIES, HOUSEKEEPING, enqueue
from dupdash.duplication.queue.leases import FRESH, WORKER_GROUP_VARIABLE
from dupdash.duplication.states import State
from dupdash.duplication.worker_tables import store_single_row

logger = logging.getLogger("dupdash.supervisor")

# A cluster that ran for this many seconds was healthy, so the next restart is not delayed.
HEALTHY_AFTER = 30.0
# How many sweep intervals lie between two runs of the mail task.
SWEEPS_PER_MAIL = 2
# Seconds between two checks of the processes.
TICK = 0.25
# How long the row of a cluster that no longer runs is kept.
KEPT_FOR = timedelta(days=1)
# How many seconds the supervisor waits for killed processes to end, and then for recovering their jobs. After SIGTERM
# everything must end within ten seconds.
KILL_WAIT = 2.0
RECOVERY_WAIT = 3.0


@dataclass
class Cluster:
    """One django-q2 cluster as the supervisor sees it."""

    name: str
    worker_group: str = ""
    process: ForkedProcess | None = None
    started: float = 0.0
    start_again_at: float = 0.0
    restart_pause: float = field(default_factory=lambda: settings.RESTART_FIRST)
    token: str = ""
    heartbeat_sent_at: float = 0.0
    # The stored time at which one of its workers last ran a heartbeat.
    heartbeat_ran_at: datetime | None = None
    last_proof_at: float = field(default_factory=time.monotonic)


class Supervisor:
    """Starts the clusters, restarts them if necessary, and ends all processes when it is stopped."""

    def __init__(self) -> None:
        self._clusters = [Cluster(COPIES), Cluster(HOUSEKEEPING)]
        # Why the supervisor ends: None for a signal, or an exception of the thread. A signal handler may call put().
        self._end: SimpleQueue[BaseException | None] = SimpleQueue()
        self._stopping = threading.Event()
        # For starting and killing processes. It is never held during a database query.
        self._processes = threading.Lock()
        self._last_check_at = time.monotonic()
        self._swept_at = 0.0
        self._sweep_interval = settings.SWEEP_INTERVAL
        self._sweep_interval_read_at = 0.0
        self._sweep_token = ""
        self._seen_sweep: str | None = None
        self._mailed_at = -math.inf
        # The children keep the reading end. Only the supervisor has the writing end (orphan_guard).
        self._pipe = os.pipe()

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. Then end both clusters, and recover their jobs if the database answers.

        Raises the exception that ended the watching thread, if one did.
        """
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: self._end.put(None))
        load_program()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        fault = self._end.get()
        logger.info("stopping: unfinished copies will be checked in Moodle after the next start")
        self._stop()
        for end in self._pipe:
            os.close(end)
        if fault is not None:
            raise fault

    def _watch(self) -> None:
        try:
            while not self._stopping.is_set():
                for cluster in self._clusters:
                    self._check(cluster)
                self._stopping.wait(TICK)
        except BaseException as fault:
            self._end.put(fault)

    def _stop(self) -> None:
        """Kill both clusters immediately, and recover their jobs.

        If this takes longer than RECOVERY_WAIT, the jobs are recovered when their leases have expired.
        """
        self._stopping.set()
        with self._processes:
            _kill(*self._clusters)
        recovery_thread = threading.Thread(
            target=self._recover_jobs, args=self._clusters, kwargs={"at_fault": False}, name="recovery", daemon=True
        )
        recovery_thread.start()
        recovery_thread.join(RECOVERY_WAIT)
        if recovery_thread.is_alive():
            logger.warning("the database does not answer: the running jobs are recovered after the next start")

    def _check(self, cluster: Cluster) -> None:
        now = time.monotonic()
        if now - self._last_check_at > settings.HEARTBEAT_LIMIT / 4:
            # This thread was blocked, by the database or the machine, so missing heartbeats prove nothing.
            for excused in self._clusters:
                excused.last_proof_at = now
        self._last_check_at = now
        process = cluster.process
        if process is None:
            if now >= cluster.start_again_at:
                self._start(cluster)
            return
        status = process.poll()
        if status is not None:
            self._restart(cluster, f"its main process ended with status {status}")
            return
        try:
            self._check_heartbeat(cluster, now)
        except DatabaseError as error:
            # While the database is down, missing heartbeats prove nothing.
            logger.warning("the database is down: %s", error)
            close_old_connections()
            for excused in self._clusters:
                excused.last_proof_at = time.monotonic()
            return
        silence = now - cluster.last_proof_at
        if silence > settings.HEARTBEAT_LIMIT:
            self._restart(cluster, f"its workers ran no heartbeat for {silence:.0f} seconds")

    def _check_heartbeat(self, cluster: Cluster, now: float) -> None:
        """Check whether the last heartbeat ran. Send the next one, and request a sweep, when they are due."""
        in_doubt = now - cluster.last_proof_at > settings.HEARTBEAT_LIMIT / 2
        if in_doubt or now - cluster.heartbeat_sent_at >= settings.HEARTBEAT_INTERVAL:
            row = ClusterHeartbeat.objects.filter(worker_group=cluster.worker_group).first()
            if row is not None and row.at != cluster.heartbeat_ran_at:
                cluster.heartbeat_ran_at, cluster.last_proof_at = row.at, now
            if cluster.token == "" or (row is not None and row.token == cluster.token):
                # If in doubt, the next one is sent at once: workers of another host may run some of the heartbeats.
                self._send_heartbeat(cluster, now)
            elif in_doubt and now - cluster.heartbeat_sent_at >= settings.HEARTBEAT_INTERVAL:
                # The broker may have lost the message (Redis does when it restarts), so another one is sent.
                self._send_heartbeat(cluster, now)
            if cluster.name == COPIES and _all_workers_hold_leases(cluster.worker_group):
                cluster.last_proof_at = now
        if cluster.name == HOUSEKEEPING and now - self._swept_at >= self._current_sweep_interval(now):
            self._request_sweep(now)

    def _current_sweep_interval(self, now: float) -> float:
        """Return the seconds between two sweeps.

        They are fewer while the site makes copies in the background, so that the end of these copies is noticed soon.
        """
        if now - self._sweep_interval_read_at >= settings.STATUS_INTERVAL:
            self._sweep_interval_read_at = now
            followed = DuplicationJob.objects.filter(FOLLOWED).exists()
            self._sweep_interval = min(settings.SWEEP_INTERVAL, settings.STATUS_INTERVAL if followed else math.inf)
        return self._sweep_interval

    def _request_sweep(self, now: float) -> None:
        """Enqueue a sweep if the last one is done or probably lost, so that sweeps do not pile up.

        Together with a sweep, also enqueues the other periodic tasks if they are due.
        """
        finished = FinishedSweep.objects.values_list("token", flat=True).first() or ""
        by_another_host = finished != self._sweep_token and self._seen_sweep not in (None, finished)
        self._seen_sweep = finished
        if by_another_host:
            # Another host made the sweep that was due. If that host is lost, this one requests the next sweep.
            self._swept_at, self._sweep_token = now, ""
        elif finished == self._sweep_token or not self._sweep_token or now - self._swept_at > settings.REDISPATCH_AFTER:
            self._swept_at = now
            self._sweep_token = uuid.uuid4().hex
            enqueue(HOUSEKEEPING, "dupdash.duplication.tasks.sweep", self._sweep_token)
            if now - self._mailed_at >= SWEEPS_PER_MAIL * settings.SWEEP_INTERVAL:
                self._mailed_at = now
                # Separate tasks, so that a slow mail server does not delay the sweep. Named as text, because this
                # package may not import them.
                enqueue(HOUSEKEEPING, "dupdash.operations.tasks.send_messages_and_clean_up")
                enqueue(HOUSEKEEPING, "dupdash.rollover.tasks.continue_work")

    def _send_heartbeat(self, cluster: Cluster, now: float) -> None:
        """Send a heartbeat. Raises DatabaseError if the database accepts no writes, because none could arrive then."""
        store_single_row(DatabaseWriteProbe(at=timezone.now()))
        _register(cluster)
        cluster.token = uuid.uuid4().hex
        cluster.heartbeat_sent_at = now
        if not enqueue(cluster.name, "dupdash.duplication.tasks.heartbeat", cluster.worker_group, cluster.token):
            # While the broker is down, missing heartbeats prove nothing.
            cluster.token = ""
            cluster.last_proof_at = time.monotonic()

    def _start(self, cluster: Cluster) -> None:
        worker_group = f"{cluster.name}-{uuid.uuid4().hex[:12]}"
        with self._processes:
            if self._stopping.is_set():
                return
            cluster.worker_group = worker_group
            cluster.process = fork_cluster(cluster.name, {WORKER_GROUP_VARIABLE: worker_group}, self._pipe)
            logger.info("started %s: process group %d", cluster.name, cluster.process.pid)
        cluster.started = cluster.last_proof_at = time.monotonic()
        cluster.token, cluster.heartbeat_ran_at = "", None
        cluster.heartbeat_sent_at = 0.0
        if cluster.name == HOUSEKEEPING:
            # The former cluster may have died during a sweep.
            self._sweep_token = ""

    def _restart(self, cluster: Cluster, why: str) -> None:
        if self._stopping.is_set():
            return
        lived = time.monotonic() - cluster.started
        longer = min(settings.RESTART_LONGEST, cluster.restart_pause * 2)
        cluster.restart_pause = settings.RESTART_FIRST if lived > HEALTHY_AFTER else longer
        logger.error("%s: %s. Killing its process group and starting a new one.", cluster.name, why)
        with self._processes:
            _kill(cluster)
        self._recover_jobs(cluster, at_fault=True)
        cluster.start_again_at = time.monotonic() + cluster.restart_pause

    def _recover_jobs(self, *clusters: Cluster, at_fault: bool) -> None:
        """Recover the jobs of killed clusters. ``at_fault``: whether one of these jobs may have made them fail."""
        try:
            for cluster in clusters:
                recovery.recover_worker_group(cluster.worker_group, at_fault=at_fault)
        except DatabaseError as error:
            # The leases expire, and a later sweep recovers the jobs.
            logger.warning("the database is down: %s", error)
            close_old_connections()


def _register(cluster: Cluster) -> None:
    """Create the row for the heartbeats of a cluster.

    If the row is new, also delete the rows of clusters that were last seen more than KEPT_FOR ago.
    """
    about = {"cluster": cluster.name, "host": socket.gethostname()}
    _, is_new = ClusterHeartbeat.objects.get_or_create(worker_group=cluster.worker_group, defaults=about)
    if is_new:
        last_seen = Coalesce("at", "started_at")
        ClusterHeartbeat.objects.alias(seen=last_seen).filter(seen__lt=timezone.now() - KEPT_FOR).delete()


def _kill(*clusters: Cluster) -> None:
    """Kill every process of the given clusters."""
    killed = [cluster.process for cluster in clusters if cluster.process is not None]
    for process in killed:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for process in killed:
        # A process that is blocked in the kernel ends as soon as the kernel releases it.
        with contextlib.suppress(TimeoutError):
            process.wait(KILL_WAIT)
    for cluster in clusters:
        cluster.process = None


def _all_workers_hold_leases(worker_group: str) -> bool:
    """Return whether every worker of this group renews a lease.

    Then all workers are busy and none can run a heartbeat. A free worker that runs none shows that the cluster hangs.
    """
    running = DuplicationJob.objects.filter(FRESH, state=State.RUNNING, moodle_done_at__isnull=True)
    held = running.filter(lease_owner__startswith=f"{worker_group}:")
    return held.count() >= settings.MOODLE_CONCURRENCY

"""Keeps two django-q2 clusters alive: one for copies, one for housekeeping, each a process group of its own.

django-q2 cannot be trusted to notice its own death: an idle worker that is killed while it holds the queue's lock
wedges the whole cluster for ever, and a killed sentinel ends the main process with status 0 (both measured). So a
heartbeat goes through each queue. When none comes out in time, although the database can be written, the broker takes
messages and some worker should be free to read them, the whole group is killed and a new one started. Killing loses
nothing: the jobs are taken back at once.

All of that is done by a thread. The main thread does nothing but wait for a signal: whatever the database or the broker
holds up, SIGTERM ends all processes at once.
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

logger = logging.getLogger("dupdash.supervisor")

# A cluster that lived this long was well.
LIVED = 30.0
# Mail is sent this much more rarely than sweeps are made.
SWEEPS_PER_MAIL = 2
# Seconds between two checks of the processes.
TICK = 0.25
# How long the last heartbeat of a cluster that runs no more is kept.
KEPT_FOR = timedelta(days=1)
# Seconds that killed processes, and then taking back their jobs, are waited for: SIGTERM promises ten in all.
DYING_MOST = 2.0
RELEASING_MOST = 3.0


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
    rung_at: float = 0.0
    # When one of its workers last ran a heartbeat, as the database says it.
    heard_at: datetime | None = None
    proof_of_life: float = field(default_factory=time.monotonic)


class Supervisor:
    """Starts the clusters, watches over them until told to stop, and leaves no process behind."""

    def __init__(self) -> None:
        self._clusters = [Cluster(COPIES), Cluster(HOUSEKEEPING)]
        # What ends the work: None for a signal, or the fault of the thread that watches. Putting is safe in a handler.
        self._end: SimpleQueue[BaseException | None] = SimpleQueue()
        self._stopping = threading.Event()
        # Held while processes are started or killed, and never while the database is asked.
        self._processes = threading.Lock()
        self._looked_at = time.monotonic()
        self._swept_at = 0.0
        self._sweep_interval = settings.SWEEP_INTERVAL
        self._sweep_interval_read_at = 0.0
        self._sweep_token = ""
        self._seen_sweep: str | None = None
        self._mailed_at = -math.inf
        # Children keep the reading end; the writing end is ours alone and closes with us.
        self._pipe = os.pipe()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; returns with every process gone, and every job taken back if the database
        answers."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: self._end.put(None))
        load_program()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        fault = self._end.get()
        logger.info("stopping: no new work; unfinished copies are checked in Moodle later")
        self._stop()
        for end in self._pipe:
            os.close(end)
        if fault is not None:
            raise fault

    def _watch(self) -> None:
        try:
            while not self._stopping.is_set():
                for cluster in self._clusters:
                    self._tend(cluster)
                self._stopping.wait(TICK)
        except BaseException as fault:
            self._end.put(fault)

    def _stop(self) -> None:
        """End every process at once; what they were driving is taken back as far as there is time, else by their
        leases running out."""
        self._stopping.set()
        with self._processes:
            _kill(*self._clusters)
        release = threading.Thread(
            target=self._release, args=self._clusters, kwargs={"at_fault": False}, name="release", daemon=True
        )
        release.start()
        release.join(RELEASING_MOST)
        if release.is_alive():
            logger.warning("the database does not answer: what was under way is taken back after the next start")

    def _tend(self, cluster: Cluster) -> None:
        now = time.monotonic()
        if now - self._looked_at > settings.HEARTBEAT_LIMIT / 4:
            # The database or the whole machine was blocked, and this process with it, so no silence counts.
            for silenced in self._clusters:
                silenced.proof_of_life = now
        self._looked_at = now
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
            self._listen(cluster, now)
        except DatabaseError as error:
            # Nothing is known about any cluster while the database is away.
            logger.warning("the database is away: %s", error)
            close_old_connections()
            for silenced in self._clusters:
                silenced.proof_of_life = time.monotonic()
            return
        silence = now - cluster.proof_of_life
        if silence > settings.HEARTBEAT_LIMIT:
            self._restart(cluster, f"no heartbeat came out of its queue for {silence:.0f} seconds")

    def _listen(self, cluster: Cluster, now: float) -> None:
        """Send a heartbeat when it is time, and notice the one that came out."""
        in_doubt = now - cluster.proof_of_life > settings.HEARTBEAT_LIMIT / 2
        if in_doubt or now - cluster.rung_at >= settings.HEARTBEAT_INTERVAL:
            row = ClusterHeartbeat.objects.filter(worker_group=cluster.worker_group).first()
            if row is not None and row.at != cluster.heard_at:
                cluster.heard_at, cluster.proof_of_life = row.at, now
            if cluster.token == "" or (row is not None and row.token == cluster.token):
                # In doubt at once: it came out at another host, and more of them reach this one sooner.
                self._send_heartbeat(cluster, now)
            elif in_doubt and now - cluster.rung_at >= settings.HEARTBEAT_INTERVAL:
                # The broker may have lost it (a restarted Redis has): one lost message is no dead cluster.
                self._send_heartbeat(cluster, now)
            if cluster.name == COPIES and _all_workers_hold_leases(cluster.worker_group):
                cluster.proof_of_life = now
        if cluster.name == HOUSEKEEPING and now - self._swept_at >= self._current_sweep_interval(now):
            self._ask_for_sweep(now)

    def _current_sweep_interval(self, now: float) -> float:
        """Seconds between two sweeps: few while a site makes copies by itself, so that their end is noticed soon."""
        if now - self._sweep_interval_read_at >= settings.STATUS_INTERVAL:
            self._sweep_interval_read_at = now
            followed = DuplicationJob.objects.filter(FOLLOWED).exists()
            self._sweep_interval = min(settings.SWEEP_INTERVAL, settings.STATUS_INTERVAL if followed else math.inf)
        return self._sweep_interval

    def _ask_for_sweep(self, now: float) -> None:
        """One sweep at a time, so that they do not pile up where the database is slow; a lost one is asked again."""
        finished = FinishedSweep.objects.values_list("token", flat=True).first() or ""
        of_another_host = finished != self._sweep_token and self._seen_sweep not in (None, finished)
        self._seen_sweep = finished
        if of_another_host:
            # It did all that is due. Where that host is lost, the next one is asked for here.
            self._swept_at, self._sweep_token = now, ""
        elif finished == self._sweep_token or not self._sweep_token or now - self._swept_at > settings.REDISPATCH_AFTER:
            self._swept_at = now
            self._sweep_token = uuid.uuid4().hex
            enqueue(HOUSEKEEPING, "dupdash.duplication.tasks.sweep", self._sweep_token)
            if now - self._mailed_at >= SWEEPS_PER_MAIL * settings.SWEEP_INTERVAL:
                self._mailed_at = now
                # A task of its own: a slow mail server must not hold up the sweep. Known by name only, because telling
                # people is not the engine's business.
                enqueue(HOUSEKEEPING, "dupdash.notifications.tasks.send_due")
                enqueue(HOUSEKEEPING, "dupdash.callbacks.tasks.send_due")
                enqueue(HOUSEKEEPING, "dupdash.rollover.tasks.continue_work")

    def _send_heartbeat(self, cluster: Cluster, now: float) -> None:
        """Raises DatabaseError where nothing can be written: no heartbeat comes out then, however well they work."""
        DatabaseWriteProbe.objects.update_or_create(id=1, defaults={"at": timezone.now()})
        _register(cluster)
        cluster.token = uuid.uuid4().hex
        cluster.rung_at = now
        if not enqueue(cluster.name, "dupdash.duplication.tasks.heartbeat", cluster.worker_group, cluster.token):
            # Nor does one out of a broker that is away.
            cluster.token = ""
            cluster.proof_of_life = time.monotonic()

    def _start(self, cluster: Cluster) -> None:
        worker_group = f"{cluster.name}-{uuid.uuid4().hex[:12]}"
        with self._processes:
            if self._stopping.is_set():
                return
            cluster.worker_group = worker_group
            cluster.process = fork_cluster(cluster.name, {WORKER_GROUP_VARIABLE: worker_group}, self._pipe)
            logger.info("started %s: process group %d", cluster.name, cluster.process.pid)
        cluster.started = cluster.proof_of_life = time.monotonic()
        cluster.token, cluster.heard_at = "", None
        cluster.rung_at = 0.0
        if cluster.name == HOUSEKEEPING:
            # The last one may have died in the middle of a sweep.
            self._sweep_token = ""

    def _restart(self, cluster: Cluster, why: str) -> None:
        if self._stopping.is_set():
            return
        lived = time.monotonic() - cluster.started
        longer = min(settings.RESTART_LONGEST, cluster.restart_pause * 2)
        cluster.restart_pause = settings.RESTART_FIRST if lived > LIVED else longer
        logger.error("%s: %s. Killing its process group and starting a new one.", cluster.name, why)
        with self._processes:
            _kill(cluster)
        self._release(cluster, at_fault=True)
        cluster.start_again_at = time.monotonic() + cluster.restart_pause

    def _release(self, *clusters: Cluster, at_fault: bool) -> None:
        """Take back the jobs that killed processes were driving. ``at_fault``: one of them may be what they died of."""
        try:
            for cluster in clusters:
                recovery.release_worker_group(cluster.worker_group, at_fault=at_fault)
        except DatabaseError as error:
            # Their leases run out, and the next sweep takes them back.
            logger.warning("the database is away: %s", error)
            close_old_connections()


def _register(cluster: Cluster) -> None:
    """Make sure that the cluster has a row for its heartbeats. A new cluster deletes those of long ago."""
    about = {"cluster": cluster.name, "host": socket.gethostname()}
    _, is_new = ClusterHeartbeat.objects.get_or_create(worker_group=cluster.worker_group, defaults=about)
    if is_new:
        last_seen = Coalesce("at", "started_at")
        ClusterHeartbeat.objects.alias(seen=last_seen).filter(seen__lt=timezone.now() - KEPT_FOR).delete()


def _kill(*clusters: Cluster) -> None:
    """End every process of some clusters."""
    killed = [cluster.process for cluster in clusters if cluster.process is not None]
    for process in killed:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for process in killed:
        # One that the kernel holds is dead as soon as the kernel lets it go.
        with contextlib.suppress(TimeoutError):
            process.wait(DYING_MOST)
    for cluster in clusters:
        cluster.process = None


def _all_workers_hold_leases(worker_group: str) -> bool:
    """Whether every worker of this group renews a lease. They are busy then, not dead, and nobody reads the queue; one
    that is free would read it, and shows by not doing so that the queue's lock died with somebody."""
    running = DuplicationJob.objects.filter(FRESH, state=State.RUNNING, moodle_done_at__isnull=True)
    held = running.filter(lease_owner__startswith=f"{worker_group}:")
    return held.count() >= settings.MOODLE_CONCURRENCY

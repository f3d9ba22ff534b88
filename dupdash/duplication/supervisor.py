"""Keeps two django-q2 clusters alive: one for copies, one for housekeeping, each a process group of its own.

django-q2 cannot be trusted to notice its own death: an idle worker that is killed while it holds the queue's lock
wedges the whole cluster for ever, and a killed sentinel ends the main process with status 0 (both measured). So a
heartbeat goes through each queue. When none comes out in time, and no worker shows by a fresh lease that it
is alive, the whole group is killed and a new one started. Killing loses nothing: the jobs are taken back at once.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections

from dupdash.duplication import recovery
from dupdash.duplication.dispatch import COPIES, HOUSEKEEPING, ring
from dupdash.duplication.leases import CREW_VARIABLE, FRESH
from dupdash.duplication.models import ClusterHeartbeat, DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.tasks import SWEEP

logger = logging.getLogger("dupdash.supervisor")

# A cluster that lived this long was well.
LIVED = 30.0
# Seconds between two looks at the processes.
TICK = 0.25


@dataclass
class Cluster:
    """One django-q2 cluster as the supervisor sees it."""

    name: str
    crew: str = ""
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_again_at: float = 0.0
    restart_pause: float = field(default_factory=lambda: settings.RESTART_FIRST)
    token: str = ""
    rung_at: float = 0.0
    proof_of_life: float = field(default_factory=time.monotonic)


class Supervisor:
    """Starts the clusters, watches over them until told to stop, and leaves no process behind."""

    def __init__(self) -> None:
        self._clusters = [Cluster(COPIES), Cluster(HOUSEKEEPING)]
        self._stopping = threading.Event()
        self._swept_at = 0.0
        self._sweep_token = ""
        # Children inherit the reading end; the writing end is ours alone and closes with us.
        self._lifeline_reading, self._lifeline_writing = os.pipe()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; returns with every process gone and every job taken back."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: self._stopping.set())
        while not self._stopping.is_set():
            for cluster in self._clusters:
                self._tend(cluster)
            self._stopping.wait(TICK)
        logger.info("stopping: no new work; what is under way is looked up in Moodle later")
        for cluster in self._clusters:
            self._kill(cluster)
        os.close(self._lifeline_writing)
        os.close(self._lifeline_reading)

    def _tend(self, cluster: Cluster) -> None:
        now = time.monotonic()
        if cluster.process is None:
            if now >= cluster.start_again_at:
                self._start(cluster)
            return
        status = cluster.process.poll()
        if status is not None:
            self._restart(cluster, f"its main process ended with status {status}")
            return
        try:
            self._listen(cluster, now)
        except DatabaseError as error:
            # Nothing can be told about the cluster while the database is away.
            logger.warning("the database is away: %s", error)
            close_old_connections()
            cluster.proof_of_life = now
            return
        silence = now - cluster.proof_of_life
        if silence > settings.HEARTBEAT_LIMIT:
            self._restart(cluster, f"no heartbeat came out of its queue for {silence:.0f} seconds")

    def _listen(self, cluster: Cluster, now: float) -> None:
        """Send a heartbeat when it is time, and notice the one that came out."""
        if now - cluster.rung_at >= settings.HEARTBEAT_INTERVAL:
            arrived = ClusterHeartbeat.objects.filter(cluster=cluster.name, token=cluster.token).exists()
            if arrived or cluster.token == "":
                cluster.proof_of_life = now if arrived else cluster.proof_of_life
                self._send_heartbeat(cluster, now)
            elif now - cluster.proof_of_life > settings.HEARTBEAT_LIMIT / 2:
                # The broker may have lost it (a restarted Redis has): one lost message is no dead cluster.
                self._send_heartbeat(cluster, now)
            if cluster.name == COPIES and _workers_hold_leases(cluster.crew):
                cluster.proof_of_life = now
        if cluster.name == HOUSEKEEPING and now - self._swept_at >= settings.SWEEP_INTERVAL:
            self._ask_for_sweep(now)

    def _ask_for_sweep(self, now: float) -> None:
        """One sweep at a time, so that they do not pile up where Moodle is slow; a lost one is asked for again."""
        begun = ClusterHeartbeat.objects.filter(cluster=SWEEP, token=self._sweep_token).exists()
        if begun or not self._sweep_token or now - self._swept_at > settings.REDISPATCH_AFTER:
            self._swept_at = now
            self._sweep_token = uuid.uuid4().hex
            ring(HOUSEKEEPING, "dupdash.duplication.tasks.sweep", self._sweep_token)
            # A task of its own: a slow mail server must not hold up the sweep. Known by name only, because telling
            # people is not the engine's business.
            ring(HOUSEKEEPING, "dupdash.notifications.tasks.send_due")

    def _send_heartbeat(self, cluster: Cluster, now: float) -> None:
        cluster.token = uuid.uuid4().hex
        cluster.rung_at = now
        ring(cluster.name, "dupdash.duplication.tasks.heartbeat", cluster.name, cluster.token)

    def _start(self, cluster: Cluster) -> None:
        cluster.crew = f"{cluster.name}-{uuid.uuid4().hex[:12]}"
        environment = os.environ | {
            "Q_CLUSTER_NAME": cluster.name,
            "DUPDASH_LIFELINE_FD": str(self._lifeline_reading),
            CREW_VARIABLE: cluster.crew,
        }
        cluster.process = subprocess.Popen(  # noqa: S603
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"],
            env=environment,
            pass_fds=[self._lifeline_reading],
            start_new_session=True,
        )
        cluster.started = cluster.proof_of_life = time.monotonic()
        cluster.token = ""
        cluster.rung_at = 0.0
        logger.info("started %s: process group %d", cluster.name, cluster.process.pid)

    def _restart(self, cluster: Cluster, why: str) -> None:
        lived = time.monotonic() - cluster.started
        longer = min(settings.RESTART_LONGEST, cluster.restart_pause * 2)
        cluster.restart_pause = settings.RESTART_FIRST if lived > LIVED else longer
        logger.error("%s: %s. Killing its process group and starting a new one.", cluster.name, why)
        self._kill(cluster)
        cluster.start_again_at = time.monotonic() + cluster.restart_pause

    def _kill(self, cluster: Cluster) -> None:
        """End every process of a cluster, and take back the jobs they were driving."""
        if cluster.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(cluster.process.pid, signal.SIGKILL)
        cluster.process.wait()
        cluster.process = None
        try:
            recovery.release_crew(cluster.crew)
        except DatabaseError as error:
            # Their leases run out, and the next sweep takes them back.
            logger.warning("the database is away: %s", error)
            close_old_connections()


def _workers_hold_leases(crew: str) -> bool:
    """Whether some worker of this crew is renewing a lease: then it is busy, not dead."""
    held = DuplicationJob.objects.filter(FRESH, state=State.RUNNING, lease_owner__startswith=f"{crew}:")
    return held.exists()

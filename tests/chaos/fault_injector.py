"""Injects faults during a chaos run: faults of Moodle, killed processes and restarted servers.

An action counts only if it had an effect: a process was killed, or a fault struck a call. First each action is repeated
until it has happened once, kills and faults alternately and in random order. Then the actions are random.
"""

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, zip_longest

from tests.chaos.environment import Installation
from tests.chaos.faults import FAULTS, Fault, SetFaults, for_certain, label
from tests.chaos.processes import descendants, wait_until

PAUSE = (0.3, 1.2)
# Seconds for which several faults stay set together, for example one that affects copies and one that affects lookups.
TOGETHER = 3.0
# Seconds to wait for the first call that a fault can strike.
FIRST_STRIKE = 3.0
# Seconds within which all worker processes must end at a deployment.
DEPLOY_WITHIN = 10.0
# Seconds to wait for the current action if the run is aborted.
ACT_LONGEST = 30.0
# Seconds to wait for a busy worker to kill. With the asynchronous driver, workers are busy only for a short time.
VICTIM = 1.0
# The depth of each process below the supervisor: the main process of a cluster, and its workers.
MAIN, WORKER = 1, 2
BUSY, IDLE = "killed a busy worker", "killed an idle worker, pusher or monitor"


@dataclass(frozen=True)
class Act:
    """A kind of disturbance. ``do`` returns the name of what happened, or "" if the action had no effect."""

    name: str
    do: Callable[[], str]
    weight: int = 1


class FaultInjector(threading.Thread):
    """Performs an action about every second until it is stopped."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self.done: Counter[str] = Counter()
        self.broken: str = ""
        self._ended_by_itself = 0
        self._installation = installation
        self.near_its_end = threading.Event()
        self._over = threading.Event()
        self._set = SetFaults(installation)
        self.kills = self._all_kills()
        self._faults = [Act(label(faults), self._fault(faults)) for faults in FAULTS]
        kills, faults = self._shuffled(self.kills), self._shuffled(self._faults)
        self.due = [act for act in chain(*zip_longest(kills, faults)) if act is not None]

    def _all_kills(self) -> list[Act]:
        def act(name: str, happens: Callable[[], bool], weight: int = 1) -> Act:
            return Act(name, lambda: name if happens() else "", weight)

        return [
            Act(BUSY, lambda: self._kill_worker(busy=True), 2),
            Act(IDLE, lambda: self._kill_worker(busy=False), 2),
            act("killed a main process", lambda: self._kill_one(MAIN)),
            act("killed a whole cluster", lambda: self._kill_one(MAIN, os.killpg)),
            act("killed the supervisor", lambda: self._end_supervisor(signal.SIGKILL)),
            act("deployed (SIGTERM)", lambda: self._end_supervisor(signal.SIGTERM)),
            act("Moodle: webservices off", lambda: self._misconfigure("webservices", False)),
            act("Moodle: tokens revoked", lambda: self._misconfigure("tokens_revoked", True)),
            *([act("restarted Redis", self._restart_redis)] if self._installation.redis else []),
            *([act("restarted PostgreSQL", self._restart_postgres)] if self._installation.postgres else []),
        ]

    def _shuffled(self, acts: list[Act]) -> list[Act]:
        return self._installation.random.sample(acts, len(acts))

    def run(self) -> None:
        while not self._over.wait(self._installation.random.uniform(*PAUSE)):
            try:
                self.play(self.next())
            except Exception as error:
                self.broken = f"{type(error).__name__}: {error}"
                return

    def next(self) -> Act:
        """Return the next action. Near the end only kills are chosen, because few calls are left for faults."""
        late = self.near_its_end.is_set()
        act = next((act for act in self.due if act in self.kills or not late), None)
        if act is None:
            return self._any()
        self.due.remove(act)
        return act

    def _any(self) -> Act:
        kind = self._installation.random.choice((self.kills, self._faults))
        return self._installation.random.choices(kind, [act.weight for act in kind])[0]

    def play(self, act: Act) -> str:
        """Perform an action and count it if it had an effect. A kill without an effect is scheduled again soon."""
        happened = act.do()
        if happened:
            self.done[happened] += 1
        if act in self.kills and not self.done[act.name] and act not in self.due:
            self.due.insert(1, act)
        return happened

    def end(self) -> None:
        """Stop, and restore what the injector broke."""
        self.near_its_end.set()
        self._over.set()
        self.join()
        self._count_strikes()
        self._installation.control(maintenance=False, webservices=True, tokens_revoked=False)
        if not self._installation.worker.alive:
            self._ended_by_itself += not self.broken
            self._installation.worker.start()

    def abandon(self) -> None:
        """Stop because the run is aborted, and wait for the current action."""
        self.near_its_end.set()
        self._over.set()
        if self.is_alive():
            self.join(ACT_LONGEST)

    @property
    def violations(self) -> list[str]:
        """Return what happened but must not happen in any run."""
        found = [f"the injector itself failed: {self.broken}"] if self.broken else []
        if self._ended_by_itself:
            found.append(f"the supervisor had ended by itself {self._ended_by_itself} times")
        return found

    @property
    def missing_kills(self) -> list[str]:
        return [act.name for act in self.kills if not self.done[act.name]]

    @property
    def missing(self) -> list[str]:
        """Return the actions that did not happen."""
        return [*self.missing_kills, *(act.name for act in self._faults if not self.done[act.name])]

    # Moodle

    def _fault(self, faults: tuple[Fault, ...]) -> Callable[[], str]:
        def set_them() -> str:
            self._count_strikes()
            first = not self.done[label(faults)]
            self._set.set(for_certain(faults) if first else faults)
            if len(faults) > 1:
                self._over.wait(TOGETHER)
            elif first:
                self._await_strike()
            # The strikes are counted when the faults are cleared.
            return ""

        return set_them

    def _await_strike(self) -> None:
        """Wait until a fault that strikes once has struck."""
        with contextlib.suppress(TimeoutError):
            wait_until(
                lambda: self.near_its_end.is_set() or not self._installation.control()["faults"],
                "a strike",
                FIRST_STRIKE,
            )

    def _count_strikes(self) -> None:
        """Clear the faults, and count how often they struck. Faults that did not strike are scheduled again."""
        faults, struck = self._set.clear()
        if not faults:
            return
        name = label(faults)
        self.done[name] += struck
        if not self.done[name]:
            self.due.append(next(act for act in self._faults if act.name == name))

    def _misconfigure(self, switch: str, value: bool) -> bool:
        self._installation.control(**{switch: value})
        self._over.wait(1)
        self._installation.control(**{switch: not value})
        return True

    # Processes

    def _kill_worker(self, *, busy: bool) -> str:
        """Kill a worker that runs a job, or another process of the clusters."""

        def victims() -> list[int]:
            driving = _pids_with_leases()
            return [pid for pid in self._below(WORKER) if (pid in driving) == busy]

        with contextlib.suppress(TimeoutError):
            wait_until(lambda: self._over.is_set() or bool(victims()), "a process to kill", VICTIM)
        victim = self._kill(victims())
        if victim is None:
            return ""
        # The worker may have just started or finished a job. After the kill it no longer changes the rows.
        return BUSY if victim in _pids_with_leases() else IDLE

    def _kill_one(self, generation: int, kill: Callable[[int, int], None] = os.kill) -> bool:
        return self._kill(self._below(generation), kill) is not None

    def _kill(self, pids: list[int], kill: Callable[[int, int], None] = os.kill) -> int | None:
        """Kill one of these processes. Returns its id, or None if there was no process."""
        if not pids:
            return None
        victim = self._installation.random.choice(sorted(pids))
        try:
            kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return victim

    def _end_supervisor(self, signal_number: int) -> bool:
        """End the supervisor with its processes, and start it again. Returns False if it had ended by itself."""
        worker = self._installation.worker
        lived = worker.alive
        worker.kill(signal_number, DEPLOY_WITHIN)
        if not lived and worker.popen is not None:
            self._ended_by_itself += 1
        worker.start()
        return lived

    def _below(self, generation: int | None = None) -> list[int]:
        popen = self._installation.worker.popen
        below = descendants(popen.pid) if popen is not None else {}
        return [pid for pid, depth in below.items() if generation in (None, depth)]

    # Servers

    def _restart_redis(self) -> bool:
        assert self._installation.redis is not None
        self._installation.redis.restart(away=self._installation.random.uniform(0, 2))
        return True

    def _restart_postgres(self) -> bool:
        assert self._installation.postgres is not None
        self._installation.postgres.restart(away=self._installation.random.uniform(0, 2))
        return True


def _pids_with_leases() -> set[int]:
    """Return the process ids of the workers that run a job, as the leases name them."""
    from django.db import Error, close_old_connections

    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import State

    driven = DuplicationJob.objects.filter(state=State.RUNNING).exclude(lease_owner="")
    try:
        owners = list(driven.values_list("lease_owner", flat=True))
    except Error:
        # The injector may have stopped the database since the last query.
        close_old_connections()
        owners = list(driven.values_list("lease_owner", flat=True))
    return {int(owner.split(":")[1]) for owner in owners}

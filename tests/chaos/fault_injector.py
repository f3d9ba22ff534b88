"""What the world does to dupdash during a chaos run: faults of Moodle, and deaths of everything else.

An act counts only when it has happened: a process was there to be killed, a fault struck a call. Each is played
once first, until it has happened, deaths and faults by turns and in random order; from then on chance decides.
"""

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, zip_longest

from tests.chaos.environment import World
from tests.chaos.faults import FAULTS, Fault, SetFaults, for_certain, label
from tests.chaos.processes import descendants, wait_until

PAUSE = (0.3, 1.2)
# Seconds that faults stay set which concern each other: a copy, and the looks at it.
TOGETHER = 3.0
# Seconds that a fault may wait for the first call that it can strike.
FIRST_STRIKE = 3.0
# Seconds after which nothing may be left of the workers, as it is promised for a deploy.
DEPLOY_WITHIN = 10.0
# Seconds that the longest act is waited for when the run is broken off.
LONGEST_ACT = 30.0
# Seconds that a worker is waited for that may be killed: one is busy for a moment only where the site does the work.
VICTIM = 1.0
# The generations below the supervisor: a cluster's main process, its sentinel, and what that one started.
MAIN, SENTINEL, WORKER = 1, 2, 3
BUSY, IDLE = "killed a busy worker", "killed an idle worker, pusher or monitor"


@dataclass(frozen=True)
class Act:
    """Something terrible. Doing it answers what happened: mostly its name; nothing where there was no victim."""

    name: str
    do: Callable[[], str]
    weight: int = 1


class FaultInjector(threading.Thread):
    """Something terrible every second or so, until told to stop."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.done: Counter[str] = Counter()
        self.broken: str = ""
        self._ended_by_itself = 0
        self._world = world
        self.near_its_end = threading.Event()
        self._over = threading.Event()
        self._set = SetFaults(world)
        self.deaths = self._all_deaths()
        self._faults = [Act(label(faults), self._fault(faults)) for faults in FAULTS]
        deaths, faults = self._shuffled(self.deaths), self._shuffled(self._faults)
        self.due = [act for act in chain(*zip_longest(deaths, faults)) if act is not None]

    def _all_deaths(self) -> list[Act]:
        def act(name: str, happens: Callable[[], bool], weight: int = 1) -> Act:
            return Act(name, lambda: name if happens() else "", weight)

        return [
            Act(BUSY, lambda: self._kill_worker(busy=True), 2),
            Act(IDLE, lambda: self._kill_worker(busy=False), 2),
            act("killed a sentinel", lambda: self._kill_one(SENTINEL)),
            act("killed a main process", lambda: self._kill_one(MAIN)),
            act("killed a whole cluster", lambda: self._kill_one(MAIN, os.killpg)),
            act("killed the supervisor", lambda: self._end_supervisor(signal.SIGKILL)),
            act("deployed (SIGTERM)", lambda: self._end_supervisor(signal.SIGTERM)),
            act("Moodle: webservices off", lambda: self._misconfigure("webservices", False)),
            act("Moodle: tokens revoked", lambda: self._misconfigure("tokens_revoked", True)),
            *([act("restarted Redis", self._restart_redis)] if self._world.redis else []),
            *([act("restarted PostgreSQL", self._restart_postgres)] if self._world.postgres else []),
        ]

    def _shuffled(self, acts: list[Act]) -> list[Act]:
        return self._world.random.sample(acts, len(acts))

    def run(self) -> None:
        while not self._over.wait(self._world.random.uniform(*PAUSE)):
            try:
                self.play(self.next())
            except Exception as error:
                self.broken = f"{type(error).__name__}: {error}"
                return

    def next(self) -> Act:
        """What is due; near the end, when faults find hardly a call to strike, only the deaths."""
        late = self.near_its_end.is_set()
        act = next((act for act in self.due if act in self.deaths or not late), None)
        if act is None:
            return self._any()
        self.due.remove(act)
        return act

    def _any(self) -> Act:
        kind = self._world.random.choice((self.deaths, self._faults))
        return self._world.random.choices(kind, [act.weight for act in kind])[0]

    def play(self, act: Act) -> str:
        """Do it and count what happened; a death that still has to happen is tried again soon."""
        happened = act.do()
        if happened:
            self.done[happened] += 1
        if act in self.deaths and not self.done[act.name] and act not in self.due:
            self.due.insert(1, act)
        return happened

    def end(self) -> None:
        """Stop, and put everything right that the storm broke."""
        self.near_its_end.set()
        self._over.set()
        self.join()
        self._count_strikes()
        self._world.control(maintenance=False, webservices=True, tokens_revoked=False)
        if not self._world.worker.alive:
            self._ended_by_itself += not self.broken
            self._world.worker.start()

    def abandon(self) -> None:
        """The run is broken off: nothing more is done, and what is being done is awaited."""
        self.near_its_end.set()
        self._over.set()
        if self.is_alive():
            self.join(LONGEST_ACT)

    @property
    def violations(self) -> list[str]:
        """What must not happen in any storm."""
        found = [f"the storm itself broke: {self.broken}"] if self.broken else []
        if self._ended_by_itself:
            found.append(f"the supervisor had ended by itself {self._ended_by_itself} times")
        return found

    @property
    def deaths_missing(self) -> list[str]:
        return [act.name for act in self.deaths if not self.done[act.name]]

    @property
    def missing(self) -> list[str]:
        """What should have happened, and did not."""
        return [*self.deaths_missing, *(act.name for act in self._faults if not self.done[act.name])]

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
            # Whether they struck is known when they are cleared.
            return ""

        return set_them

    def _await_strike(self) -> None:
        """A fault that strikes once is gone when it has."""
        with contextlib.suppress(TimeoutError):
            wait_until(
                lambda: self.near_its_end.is_set() or not self._world.control()["faults"], "a strike", FIRST_STRIKE
            )

    def _count_strikes(self) -> None:
        """Clear the faults that are set, and count how often they struck; those that did not are played again."""
        faults, struck = self._set.clear()
        if not faults:
            return
        name = label(faults)
        self.done[name] += struck
        if not self.done[name]:
            self.due.append(next(act for act in self._faults if act.name == name))

    def _misconfigure(self, switch: str, value: bool) -> bool:
        self._world.control(**{switch: value})
        self._over.wait(1)
        self._world.control(**{switch: not value})
        return True

    # Processes

    def _kill_worker(self, *, busy: bool) -> str:
        """A worker that drives a job; or anything else of either cluster that works on none."""

        def victims() -> list[int]:
            driving = _pids_with_leases()
            return [pid for pid in self._below(WORKER) if (pid in driving) == busy]

        with contextlib.suppress(TimeoutError):
            wait_until(lambda: self._over.is_set() or bool(victims()), "a victim", VICTIM)
        victim = self._kill(victims())
        if victim is None:
            return ""
        # It may have begun or ended a job at this very moment; whoever is dead changes no row.
        return BUSY if victim in _pids_with_leases() else IDLE

    def _kill_one(self, generation: int, kill: Callable[[int, int], None] = os.kill) -> bool:
        return self._kill(self._below(generation), kill) is not None

    def _kill(self, pids: list[int], kill: Callable[[int, int], None] = os.kill) -> int | None:
        """End one of these; None where there was nobody to end."""
        if not pids:
            return None
        victim = self._world.random.choice(sorted(pids))
        try:
            kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return victim

    def _end_supervisor(self, signal_number: int) -> bool:
        """End it and all below it, and start it again; False where it had ended by itself."""
        worker = self._world.worker
        lived = worker.alive
        worker.kill(signal_number, DEPLOY_WITHIN)
        if not lived and worker.popen is not None:
            self._ended_by_itself += 1
        worker.start()
        return lived

    def _below(self, generation: int | None = None) -> list[int]:
        popen = self._world.worker.popen
        below = descendants(popen.pid) if popen is not None else {}
        return [pid for pid, depth in below.items() if generation in (None, depth)]

    # Servers

    def _restart_redis(self) -> bool:
        assert self._world.redis is not None
        self._world.redis.restart(away=self._world.random.uniform(0, 2))
        return True

    def _restart_postgres(self) -> bool:
        assert self._world.postgres is not None
        self._world.postgres.restart(away=self._world.random.uniform(0, 2))
        return True


def _pids_with_leases() -> set[int]:
    """The workers that drive a job, by what their jobs say."""
    from django.db import Error, close_old_connections

    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import State

    driven = DuplicationJob.objects.filter(state=State.RUNNING).exclude(lease_owner="")
    try:
        owners = list(driven.values_list("lease_owner", flat=True))
    except Error:
        # The storm has taken the database away since the last time.
        close_old_connections()
        owners = list(driven.values_list("lease_owner", flat=True))
    return {int(owner.split(":")[1]) for owner in owners}

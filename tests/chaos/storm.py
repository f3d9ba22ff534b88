"""What the world does to dupdash during a chaos run: faults of Moodle, and deaths of everything else."""

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable

from tests.chaos.processes import descendants, wait_until
from tests.chaos.world import World

# Each with the share of calls it strikes while it is set.
FAULTS: tuple[dict[str, object], ...] = (
    {"name": "reset_before", "probability": 0.5},
    {"name": "reset_during", "probability": 0.3},
    {"name": "reset_after", "probability": 0.3},
    {"name": "gateway_timeout", "probability": 0.3},
    {"name": "bad_gateway", "probability": 0.3},
    {"name": "killed_in_backup", "probability": 0.2},
    {"name": "killed_in_restore", "probability": 0.2, "step": "hidden"},
    {"name": "killed_in_restore", "probability": 0.2, "step": "renamed"},
    {"name": "killed_in_restore", "probability": 0.2, "step": "content", "answer": "reset"},
    {"name": "exception_in_restore", "probability": 0.2},
    {"name": "exception_in_restore", "probability": 0.2, "errorcode": "none"},
    {"name": "empty", "probability": 0.3},
    {"name": "html", "probability": 0.3},
    {"name": "truncated", "probability": 0.3},
    {"name": "wrong_course", "probability": 0.3},
    {"name": "storedfilenotcreated", "probability": 0.5},
    {"name": "slow", "probability": 0.3, "factor": 10},
    {"name": "forbidden", "probability": 0.3},
    {"name": "persons_restore", "probability": 0.3},
    {"name": "stall", "count": 1},
    {"name": "stall", "count": 1, "step": "renamed"},
    {"name": "html", "probability": 0.2, "function": "*"},
    {"name": "reset_before", "probability": 0.2, "function": "*"},
    {"name": "wrong_course", "probability": 0.1, "function": "core_course_get_courses_by_field"},
    {"name": "refuse", "seconds": 1.5},
)
PAUSE = (0.3, 1.2)


class Storm(threading.Thread):
    """Something terrible every second or so, until told to stop."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.done: Counter[str] = Counter()
        self.broken: str = ""
        self._world = world
        self._over = threading.Event()
        acts: list[tuple[int, Callable[[], str]]] = [
            (10, self._fault),
            (3, self._kill_worker),
            (1, self._kill_sentinel),
            (1, self._kill_main),
            (1, self._kill_cluster),
            (1, self._kill_supervisor),
            (1, self._deploy),
            (1, self._misconfigure),
        ]
        if world.redis:
            acts.append((1, self._restart_redis))
        if world.postgres:
            acts.append((1, self._restart_postgres))
        self._acts = [act for weight, act in acts for _ in range(weight)]

    def run(self) -> None:
        while not self._over.wait(self._world.random.uniform(*PAUSE)):
            try:
                self.done[self._world.random.choice(self._acts)()] += 1
            except Exception as error:
                self.broken = f"{type(error).__name__}: {error}"
                return

    def end(self) -> None:
        """Stop, and put everything right that the storm broke."""
        self._over.set()
        self.join()
        self._world.control(clear=True, maintenance=False, webservices=True, tokens_revoked=False)
        if not self._world.worker.alive:
            self._world.worker.start()

    def _fault(self) -> str:
        fault = self._world.random.choice(FAULTS)
        self._world.control(clear=True, fault=fault)
        return f"Moodle: {fault['name']}"

    def _misconfigure(self) -> str:
        switch, value = self._world.random.choice((("webservices", False), ("tokens_revoked", True)))
        self._world.control(**{switch: value})
        self._over.wait(1)
        self._world.control(**{switch: not value})
        return f"Moodle: {switch} {value}".lower()

    def _kill_worker(self) -> str:
        """A worker, a pusher or a monitor of either cluster, busy or idle."""
        return self._kill_one(3, "killed a worker")

    def _kill_sentinel(self) -> str:
        return self._kill_one(2, "killed a sentinel")

    def _kill_main(self) -> str:
        return self._kill_one(1, "killed a main process")

    def _kill_one(self, generation: int, what: str) -> str:
        pids = [pid for pid, depth in self._below().items() if depth == generation]
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._world.random.choice(sorted(pids)), signal.SIGKILL)
        return what

    def _kill_cluster(self) -> str:
        mains = [pid for pid, depth in self._below().items() if depth == 1]
        if mains:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._world.random.choice(sorted(mains)), signal.SIGKILL)
        return "killed a whole cluster"

    def _kill_supervisor(self) -> str:
        orphans = self._below()
        popen = self._world.worker.popen
        if popen is not None:
            popen.kill()
            popen.wait()
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in orphans), "the end of the orphans", 10)
        self._world.worker.start()
        return "killed the supervisor"

    def _deploy(self) -> str:
        orphans = self._below()
        self._world.worker.kill(signal.SIGTERM)
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in orphans), "the end of all processes", 10)
        self._world.worker.start()
        return "deployed (SIGTERM)"

    def _restart_redis(self) -> str:
        if self._world.redis:
            self._world.redis.restart(away=self._world.random.uniform(0, 2))
        return "restarted Redis"

    def _restart_postgres(self) -> str:
        if self._world.postgres:
            self._world.postgres.restart(away=self._world.random.uniform(0, 2))
        return "restarted PostgreSQL"

    def _below(self) -> dict[int, int]:
        popen = self._world.worker.popen
        return descendants(popen.pid) if popen is not None else {}

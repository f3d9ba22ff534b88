"""``scripts/chaos``: run the storm, wait for the truth, and judge it. Ends 1 on any violation."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.processes import wait_until
from tests.chaos.storm import Storm
from tests.chaos.submitting import Person, Wish
from tests.chaos.world import World

PEOPLE = 4
# Seconds, once the storm is over: the scaled limits of looking, times two, and a job's own time.
SETTLING = 120


def main() -> int:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="dupdash-chaos-"))
    world = World(folder, postgres=arguments.postgres, redis=arguments.redis, seed=arguments.seed)
    console = Console()
    started = time.monotonic()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        world.start()
        set_up_django(world)
        storm = Storm(world)
        storm.start()
        _submit_all(world, arguments.jobs)
        _wait_for_most(arguments.jobs, storm)
        storm.end()
        settled = _wait_for_all(world)
        found = _judge(world) + ([f"the storm itself broke: {storm.broken}"] if storm.broken else [])
        if not settled:
            found.append(f"not all jobs were settled {SETTLING} seconds after the storm")
        _report(console, storm, found, time.monotonic() - started)
    finally:
        world.stop()
    if found:
        console.print(f"The logs and the database are in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="how many copies are asked for (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same storm, up to timing")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, restarted at times")
    parser.add_argument("--redis", action="store_true", help="with a Redis of its own as broker, restarted at times")
    return parser.parse_args()


def set_up_django(world: World) -> None:
    """This process reads the same database as the others."""
    for name in [name for name in os.environ if name not in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")]:
        del os.environ[name]
    os.environ |= world.environment
    import django

    django.setup()


def _submit_all(world: World, jobs: int) -> None:
    sources = world.sources()
    wishes = [
        Wish(
            source=world.random.choice(sources),
            shortname=f"CHAOS-{number}",
            fullname=f"Chaos course {number} & more",
            visible=world.random.random() < 0.8,
            cancelled=world.random.random() < 0.06,
        )
        for number in range(jobs)
    ]
    local = threading.local()

    def ask(wish: Wish) -> None:
        if not hasattr(local, "person"):
            local.person = Person(world)
        local.person.ask_for(wish)

    with ThreadPoolExecutor(PEOPLE) as people:
        list(people.map(ask, wishes))


def _wait_for_most(jobs: int, storm: Storm) -> None:
    """The storm goes on until nine of ten jobs are through."""
    from django.db import Error, close_old_connections

    from dupdash.duplication.models import DuplicationJob

    def most() -> bool:
        try:
            return DuplicationJob.objects.unfinished().count() <= jobs // 10 or bool(storm.broken)
        except Error:
            # The storm may have just taken the database away.
            close_old_connections()
            return False

    wait_until(most, "the end of most jobs", patience=120 + 3 * jobs)


def _wait_for_all(world: World) -> bool:
    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import State

    def settled() -> bool:
        return not DuplicationJob.objects.unfinished().exclude(state=State.UNRESOLVED).exists()

    try:
        wait_until(settled, "the end of all jobs", SETTLING)
    except TimeoutError:
        return False
    # An unresolved job is looked at ever more rarely: wait for looks that began after Moodle was through.
    wait_until(lambda: all(copy["by_hand"] or _stalls(world, copy) for copy in world.control()["copies"]), "Moodle")
    time.sleep(3 * float(world.environment["UNRESOLVED_LONGEST"]))
    return True


def _stalls(world: World, copy: dict[str, object]) -> bool:
    """A copy that a fault holds for ever: its step is the same a second later."""
    time.sleep(1)
    now = [other for other in world.control()["copies"] if other["shortname"] == copy["shortname"]]
    return bool(now) and now[0]["step"] == copy["step"]


def _judge(world: World) -> list[str]:
    from dupdash.duplication.models import DuplicationJob
    from tests.chaos.verdict import violations

    jobs = list(DuplicationJob.objects.prefetch_related("events"))
    return violations(jobs, world.courses(), world.control()["calls"])


def _report(console: Console, storm: Storm, found: list[str], seconds: float) -> None:
    from dupdash.duplication.models import DuplicationJob

    states = Counter(DuplicationJob.objects.values_list("state", flat=True))
    table = Table(title=f"{sum(states.values())} jobs in {seconds:.0f} seconds")
    for heading in ("jobs ended", "", "what was done to them", ""):
        table.add_column(heading, justify="right" if not heading else "left")
    left = [(state, str(count)) for state, count in states.most_common()]
    right = [(what, str(count)) for what, count in sorted(storm.done.items())]
    for row in range(max(len(left), len(right))):
        table.add_row(*(left[row] if row < len(left) else ("", "")), *(right[row] if row < len(right) else ("", "")))
    console.print(table)
    for violation in found:
        console.print(f"VIOLATION: {violation}", style="red", markup=False)
    console.print(f"{len(found)} violations")


if __name__ == "__main__":
    sys.exit(main())

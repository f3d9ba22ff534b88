"""``scripts/chaos``: run the storm, wait for the truth, and judge it. Ends 1 on any violation, and where a long
run went by without something that should have happened in it."""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.clients import Person, Wish, cancel_late
from tests.chaos.environment import World
from tests.chaos.fault_injector import FaultInjector
from tests.chaos.processes import wait_until

PEOPLE = 4
# The share of the copies that somebody cancels, and the share of these that wait until Moodle is at work: many of them
# come too late.
CANCELLED, LATE = 0.08, 0.7
# In the table, and what has to happen in a long run: else nothing is known of what dupdash deletes.
REMOVED = "removed a copy that was cancelled"
SENT_AGAIN = "sent again after an empty shell was deleted"
# Seconds, once the storm is over: the scaled limits of looking, times two, and a job's own time.
SETTLING = 120
# Seconds over which people ask for their copies, so that there are jobs while everything happens for the first time.
SUBMITTING = 20
# Seconds that the storm goes on for a death that had no victim yet, when most jobs are through.
OVERTIME = 20
# In a run of so many jobs everything has to happen.
LONG = 250
# How a person, another program or a closed terminal ends a run.
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="dupdash-chaos-"))
    world = World(
        folder, postgres=arguments.postgres, redis=arguments.redis, native=arguments.native, seed=arguments.seed
    )
    console = Console()
    started = time.monotonic()
    # Ended from outside, it still ends what it started.
    for number in ENDINGS:
        # A run that was started to outlive its terminal does.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(1))
    storm, well = None, False
    try:
        world.start()
        set_up_django(world)
        wishes = _wishes(world, arguments.jobs)
        storm = FaultInjector(world)
        storm.start()
        regretting, settled = ThreadPoolExecutor(1), threading.Event()
        regretted = regretting.submit(cancel_late, world, wishes, settled)
        regretting.shutdown(wait=False)
        wishes = _submit_all(world, wishes)
        _wait_for_most(arguments.jobs, storm)
        storm.end()
        found = _wait_for_all(world)
        settled.set()
        late = regretted.result()
        wishes = [replace(wish, told=wish.told or wish.shortname in late) for wish in wishes]
        found += storm.violations + [f"{one.name} has ended by itself" for one in world.processes if not one.alive]
        found += _judge(world, wishes)
        storm.done |= _deletions(world)
        missing = storm.missing + [what for what in (REMOVED, SENT_AGAIN) if not storm.done[what]]
        _report(console, storm.done, missing, found, time.monotonic() - started)
        well = is_well(arguments.jobs, found, missing)
    except Exception:
        # What stands still may do so because of this.
        for violation in storm.violations if storm else []:
            console.print(f"VIOLATION: {violation}", style="red", markup=False)
        raise
    finally:
        # Whoever loses patience now would leave servers behind.
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        if storm is not None:
            storm.abandon()
        world.stop()
        if not well:
            console.print(f"The logs and the database are in {folder}")
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


def is_well(jobs: int, found: list[str], missing: list[str]) -> bool:
    """Nothing was violated, and in a long run everything happened that should."""
    return not found and not (missing and jobs >= LONG)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="how many copies are asked for (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same storm, up to timing")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, restarted at times")
    parser.add_argument("--redis", action="store_true", help="with a Redis of its own as broker, restarted at times")
    parser.add_argument("--native", action="store_true", help="on a Moodle that offers the proposed services")
    return parser.parse_args()


def set_up_django(world: World) -> None:
    """This process reads the same database as the others."""
    for name in [name for name in os.environ if name not in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")]:
        del os.environ[name]
    os.environ |= world.environment
    import django

    django.setup()


def _wishes(world: World, jobs: int) -> list[Wish]:
    sources = world.sources()
    return [
        Wish(
            source=world.random.choice(sources),
            shortname=f"CHAOS-{number}",
            fullname=f"Chaos copy {number} & more",
            visible=world.random.random() < 0.8,
            cancelled=world.random.random() < CANCELLED,
            late=world.random.random() < LATE,
            pause=world.random.uniform(0, 2 * SUBMITTING * PEOPLE / jobs),
        )
        for number in range(jobs)
    ]


def _submit_all(world: World, wishes: list[Wish]) -> list[Wish]:
    """The wishes, each with what people were told."""
    local = threading.local()

    def ask(wish: Wish) -> Wish:
        if not hasattr(local, "person"):
            local.person = Person(world)
        person: Person = local.person
        return person.ask_for(wish)

    people = ThreadPoolExecutor(PEOPLE)
    try:
        return list(people.map(ask, wishes))
    finally:
        # Where the run is broken off nobody is waited for: they leave when the world is stopped.
        people.shutdown(wait=False, cancel_futures=True)


def _wait_for_most(jobs: int, storm: FaultInjector) -> None:
    """The storm goes on until nine of ten jobs are through, and everything died once that should."""
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
    storm.near_its_end.set()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not storm.deaths_missing or bool(storm.broken), "the last death", OVERTIME)


def _wait_for_all(world: World) -> list[str]:
    """Until every job is settled, and what is unresolved was looked at again; returns what did not come."""
    from django.db import connection
    from django.utils import timezone

    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import State

    # The storm may have taken the database away since it was last asked.
    connection.close()
    unresolved = DuplicationJob.objects.filter(state=State.UNRESOLVED)

    def settled() -> bool:
        return not DuplicationJob.objects.unfinished().exclude(state=State.UNRESOLVED).exists()

    try:
        wait_until(settled, "the end of all jobs", SETTLING)
        wait_until(lambda: all(copy["stalled"] for copy in world.control()["copies"]), "the end of Moodle's copies")
        # An unresolved job is looked at ever more rarely. When the second look is there, the first has had its effect.
        for which in ("a look", "a second look"):
            now = timezone.now()
            wait_until(
                lambda now=now: not unresolved.exclude(last_response_at__gte=now).exists(),
                f"{which} at every unresolved job, with Moodle at rest,",
                SETTLING,
            )
    except TimeoutError as error:
        return [f"after the storm, {error}"]
    # A look may have to be repeated before it is believed. What is never believed, the verdict tells.
    with contextlib.suppress(TimeoutError):
        wait_until(
            lambda: not _through(world).intersection(unresolved.values_list("shortname", flat=True)), "", SETTLING
        )
    return []


def _through(world: World) -> set[str]:
    """The short names under which a complete copy stands in Moodle, or was deleted."""
    complete = (course for course in world.courses() if course["complete"])
    return {course["requested"] for course in (*complete, *world.control()["calls"]["deleted"])}


def _judge(world: World, wishes: list[Wish]) -> list[str]:
    from dupdash.duplication.models import DuplicationJob
    from tests.chaos.invariants import violations

    somebody = Person(world)

    @cache
    def page(job: DuplicationJob) -> str:
        return somebody.read(f"/jobs/{job.pk}/")

    jobs = list(DuplicationJob.objects.prefetch_related("events"))
    return violations(wishes, jobs, world.courses(), world.control()["calls"], page)


def _deletions(world: World) -> Counter[str]:
    """How many courses dupdash deleted, and for what."""
    from tests.chaos.invariants import is_shell

    return Counter(SENT_AGAIN if is_shell(course) else REMOVED for course in world.control()["calls"]["deleted"])


def _report(console: Console, done: Counter[str], missing: list[str], found: list[str], seconds: float) -> None:
    from dupdash.duplication.models import DuplicationJob

    states = Counter(DuplicationJob.objects.values_list("state", flat=True))
    table = Table(title=f"{sum(states.values())} jobs in {seconds:.0f} seconds")
    for heading in ("jobs ended", "", "what was done to them", ""):
        table.add_column(heading, justify="right" if not heading else "left")
    left = [(state, str(count)) for state, count in states.most_common()]
    right = [(what, str(count)) for what, count in sorted(done.items()) if count]
    for row in range(max(len(left), len(right))):
        table.add_row(*(left[row] if row < len(left) else ("", "")), *(right[row] if row < len(right) else ("", "")))
    if missing:
        table.caption = f"Did not happen: {'; '.join(missing)}"
    console.print(table)
    for violation in found:
        console.print(f"VIOLATION: {violation}", style="red", markup=False)
    console.print(f"{len(found)} violations")


if __name__ == "__main__":
    sys.exit(main())

"""``scripts/chaos``: injects faults while copies are made, waits for the results, and checks the invariants.

The exit status is 1 after any violation, and after a long run in which a fault did not happen.
"""

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

from tests.chaos.environment import Installation
from tests.chaos.fault_injector import FaultInjector
from tests.chaos.people import CopyPlan, Person, cancel_late
from tests.chaos.processes import wait_until

PEOPLE = 4
# The share of the copies that are cancelled, and the share of these that are cancelled while Moodle works on the copy.
# Many of the latter come too late.
CANCELLED, LATE = 0.08, 0.7
# Rows of the table. Both must happen in a long run, because otherwise it did not test deletions.
REMOVED = "removed a copy that was cancelled"
SENT_AGAIN = "sent again after an empty shell was deleted"
# The seconds to wait after the last fault: twice the scaled time limits of checking, plus the time of a job.
SETTLING = 120
# The copies are requested over this many seconds, so that each fault first happens while jobs are running.
SUBMITTING = 20
# When most jobs have ended, the injector tries for this many seconds to make the kills that found no process yet.
OVERTIME = 20
# In a run with at least this many jobs every fault must happen.
LONG = 250
# The signals with which a person, another program or a closed terminal ends a run.
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="dupdash-chaos-"))
    installation = Installation(
        folder, postgres=arguments.postgres, redis=arguments.redis, plugin=arguments.plugin, seed=arguments.seed
    )
    console = Console()
    started = time.monotonic()
    # A run that is ended by a signal still ends its processes.
    for number in ENDINGS:
        # A run under nohup ignores SIGHUP.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(1))
    injector, well = None, False
    try:
        installation.start()
        set_up_django(installation)
        plans = _plans(installation, arguments.jobs)
        injector = FaultInjector(installation)
        injector.start()
        canceller, settled = ThreadPoolExecutor(1), threading.Event()
        cancelled_late = canceller.submit(cancel_late, installation, plans, settled)
        canceller.shutdown(wait=False)
        plans = _submit_all(installation, plans)
        _wait_for_most(arguments.jobs, injector)
        injector.end()
        found = _wait_for_all(installation)
        settled.set()
        late = cancelled_late.result()
        plans = [replace(plan, confirmed=plan.confirmed or plan.shortname in late) for plan in plans]
        found += injector.violations + [
            f"{one.name} has ended by itself" for one in installation.processes if not one.alive
        ]
        found += _judge(installation, plans)
        injector.done |= _deletions(installation)
        missing = injector.missing + [what for what in (REMOVED, SENT_AGAIN) if not injector.done[what]]
        _report(console, injector.done, missing, found, time.monotonic() - started)
        well = is_well(arguments.jobs, found, missing)
    except Exception:
        # These violations may explain the timeout.
        for violation in injector.violations if injector else []:
            console.print(f"VIOLATION: {violation}", style="red", markup=False)
        raise
    finally:
        # Another signal now would leave servers behind.
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        if injector is not None:
            injector.abandon()
        installation.stop()
        if not well:
            console.print(f"The logs and the database are in {folder}")
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


def is_well(jobs: int, found: list[str], missing: list[str]) -> bool:
    """Return whether there were no violations and, in a long run, every fault happened."""
    return not found and not (missing and jobs >= LONG)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="how many copies are requested (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed injects the same faults, up to timing")
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL, and restart it at times")
    parser.add_argument("--redis", action="store_true", help="start a Redis as broker, and restart it at times")
    parser.add_argument("--plugin", action="store_true", help="use a sandbox with the Moodle plugin")
    return parser.parse_args()


def set_up_django(installation: Installation) -> None:
    """Set up Django in this process with the database of the installation."""
    for name in [name for name in os.environ if name not in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")]:
        del os.environ[name]
    os.environ |= installation.environment
    import django

    django.setup()


def _plans(installation: Installation, jobs: int) -> list[CopyPlan]:
    sources = installation.sources()
    return [
        CopyPlan(
            source=installation.random.choice(sources),
            shortname=f"CHAOS-{number}",
            fullname=f"Chaos copy {number} & more",
            visible=installation.random.random() < 0.8,
            cancelled=installation.random.random() < CANCELLED,
            late=installation.random.random() < LATE,
            pause=installation.random.uniform(0, 2 * SUBMITTING * PEOPLE / jobs),
        )
        for number in range(jobs)
    ]


def _submit_all(installation: Installation, plans: list[CopyPlan]) -> list[CopyPlan]:
    """Submit all copies. Returns the plans with whether their cancellation was confirmed."""
    local = threading.local()

    def ask(plan: CopyPlan) -> CopyPlan:
        if not hasattr(local, "person"):
            local.person = Person(installation)
        person: Person = local.person
        return person.request_copy(plan)

    people = ThreadPoolExecutor(PEOPLE)
    try:
        return list(people.map(ask, plans))
    finally:
        # Do not wait if the run is aborted: the clients end when the installation is stopped.
        people.shutdown(wait=False, cancel_futures=True)


def _wait_for_most(jobs: int, injector: FaultInjector) -> None:
    """Wait until nine of ten jobs have ended and every kind of kill has happened once."""
    from django.db import Error, close_old_connections

    from dupdash.duplication.models import DuplicationJob

    def most() -> bool:
        try:
            return DuplicationJob.objects.unfinished().count() <= jobs // 10 or bool(injector.broken)
        except Error:
            # The injector may have just stopped the database.
            close_old_connections()
            return False

    wait_until(most, "the end of most jobs", patience=120 + 3 * jobs)
    injector.near_its_end.set()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not injector.missing_kills or bool(injector.broken), "the last death", OVERTIME)


def _wait_for_all(installation: Installation) -> list[str]:
    """Wait until every job has ended or was checked again while unresolved. Returns what did not happen in time."""
    from django.db import connection
    from django.utils import timezone

    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import State

    # The injector may have stopped the database since the last query.
    connection.close()
    unresolved = DuplicationJob.objects.filter(state=State.UNRESOLVED)

    def settled() -> bool:
        return not DuplicationJob.objects.unfinished().exclude(state=State.UNRESOLVED).exists()

    try:
        wait_until(settled, "the end of all jobs", SETTLING)
        wait_until(
            lambda: all(copy["stalled"] for copy in installation.control()["copies"]), "the end of Moodle's copies"
        )
        # Unresolved jobs are checked less and less often. A second check proves that the first one is finished.
        for which in ("a check", "a second check"):
            now = timezone.now()
            wait_until(
                lambda now=now: not unresolved.exclude(last_response_at__gte=now).exists(),
                f"{which} of every unresolved job, with Moodle at rest,",
                SETTLING,
            )
    except TimeoutError as error:
        return [f"after the last fault: {error}"]
    # A result may need a second check before it is accepted. The invariants report results that never are.
    with contextlib.suppress(TimeoutError):
        wait_until(
            lambda: not _through(installation).intersection(unresolved.values_list("shortname", flat=True)),
            "",
            SETTLING,
        )
    return []


def _through(installation: Installation) -> set[str]:
    """Return the short names whose complete copy is in Moodle or was deleted."""
    complete = (course for course in installation.courses() if course["complete"])
    return {course["requested"] for course in (*complete, *installation.control()["calls"]["deleted"])}


def _judge(installation: Installation, plans: list[CopyPlan]) -> list[str]:
    from dupdash.duplication.models import DuplicationJob
    from tests.chaos.invariants import violations

    somebody = Person(installation)

    @cache
    def page(job: DuplicationJob) -> str:
        return somebody.read(f"/jobs/{job.pk}/")

    jobs = list(DuplicationJob.objects.prefetch_related("events"))
    return violations(plans, jobs, installation.courses(), installation.control()["calls"], page)


def _deletions(installation: Installation) -> Counter[str]:
    """Return how many courses dupdash deleted for each reason."""
    from tests.chaos.invariants import is_shell

    return Counter(SENT_AGAIN if is_shell(course) else REMOVED for course in installation.control()["calls"]["deleted"])


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

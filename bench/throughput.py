"""Measures copies per minute of dupdash and of a bare thread pool, one after the other on the same Moodle.

    .venv/bin/python -m bench.throughput [--concurrency 1 2 4 8] [--copies 16] [--rounds 1] [--speed 2] [--batch]

Works with a sandbox, or with the real site that MOODLE_URL names (see bench/site_choice.py) and deletes its own copies.
The thread pool is the upper limit, because it only sends the synchronous call with the same options. dupdash also looks
up names before it sends, watches the copy, and confirms and verifies it; its time ends with the last job. Compare the
ratios of several runs, not the absolute figures, which vary with the load of the machine. Both make one copy of each
source before the measurement. With --batch, dupdash gets the copies of a round as one batch.
"""

import argparse
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from bench.site_choice import Site, delete_copies, real_site, sandbox_sources
from tests.chaos.environment import Installation
from tests.chaos.processes import Process

GOAL = 0.95
Sources = tuple[tuple[int, int], ...]


@dataclass
class Measurement:
    """A Moodle, and an installation of dupdash that copies its courses."""

    installation: Installation
    sources: Sources
    as_batch: bool = False
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:6])
    courses: list[int] = field(default_factory=list)
    _number: int = 0

    def set_concurrency(self, concurrency: int) -> None:
        """Restart the workers with another number of processes, which cannot change while they run."""
        from dupdash.duplication.models import ClusterHeartbeat

        old = self.installation.worker
        old.kill()
        ClusterHeartbeat.objects.all().delete()
        environment = self.installation.environment | {"MOODLE_CONCURRENCY": str(concurrency)}
        self.installation.worker = Process(old.name, old._command, environment, self.installation.folder)
        self.installation.worker.start()
        while ClusterHeartbeat.objects.count() < 2:
            time.sleep(0.1)

    def _names(self, count: int) -> list[tuple[int, int, str]]:
        """Yield the sources in turn, each with the category and a new short name for the copy."""
        plan = []
        for source, category in islice(cycle(self.sources), count):
            self._number += 1
            plan.append((source, category, f"throughput-{self.run}-{self._number}"))
        return plan

    def pool(self, count: int, concurrency: int) -> float:
        """Make some copies with a thread pool. Returns the seconds that this took."""
        from dupdash.duplication.moodle_clients import open_client
        from dupdash.moodle import options

        client = open_client()

        def copy(plan: tuple[int, int, str]) -> int:
            source, category, name = plan
            return client.duplicate_course(
                source_id=source,
                fullname=f"Copy {name}",
                shortname=name,
                category_id=category,
                visible=True,
                options=options.effective(options.defaults()),
            ).id

        plans = self._names(count)
        started = time.monotonic()
        with ThreadPoolExecutor(concurrency) as threads:
            self.courses += threads.map(copy, plans)
        return time.monotonic() - started

    def dupdash(self, count: int, concurrency: int) -> float:
        """Make some copies with dupdash. Returns the seconds from the first request to the end of the last job."""
        from django.conf import settings

        from dupdash.duplication import jobs
        from dupdash.duplication.batch_actions import BatchSettings, submit_batch
        from dupdash.duplication.models import DuplicationJob, Origin
        from dupdash.duplication.moodle_clients import open_client
        from dupdash.duplication.request import Draft, prepare
        from dupdash.duplication.states import State

        settings.MOODLE_CONCURRENCY = concurrency
        with open_client() as client:
            requests = [
                prepare(Draft(str(source), f"Copy {name}", name, category), Origin.COMMAND, client)
                for source, category, name in self._names(count)
            ]
            started = time.monotonic()
            if self.as_batch:
                batch = submit_batch(dict(enumerate(requests)), BatchSettings("A term"), actor=None, client=client)
                ids = list(batch.jobs.values_list("pk", flat=True))
            else:
                ids = [jobs.submit(request, actor=None, client=client).pk for request in requests]
        mine = DuplicationJob.objects.filter(pk__in=ids)
        while mine.unfinished().exists():
            time.sleep(0.1)
        seconds = time.monotonic() - started
        self.courses += [job.course_id for job in mine if job.course_id is not None and job.is_proven]
        failed = mine.exclude(state=State.SUCCEEDED)
        if failed.exists():
            raise SystemExit(f"{failed.count()} of {count} copies failed, the first: {failed[0].failure_message}")
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--copies", type=int, default=16, help="in each round, by the pool and by dupdash")
    parser.add_argument("--rounds", type=int, default=1, help="the pool and dupdash take turns so often")
    parser.add_argument("--speed", type=float, default=2, help="of the sandbox")
    parser.add_argument("--batch", action="store_true", help="the copies of a round are one batch")
    arguments = parser.parse_args()
    # On SIGTERM, stop the started processes before exiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    site = real_site()
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder), seed=1, periods={"LOG_LEVEL": "ERROR"}, speed=arguments.speed)
        if site is not None:
            installation.environment |= site.settings
        try:
            _measure(installation, site, arguments)
        finally:
            installation.stop()


def _measure(installation: Installation, site: Site | None, arguments: argparse.Namespace) -> None:
    from tests.chaos.__main__ import set_up_django

    installation.start()
    set_up_django(installation)
    sources = site.sources if site else sandbox_sources(installation, 8, least=40)
    measurement = Measurement(installation, sources, as_batch=arguments.batch)
    print(f"{site.url if site else 'sandbox'}: {len(sources)} sources, {arguments.copies} copies a round")
    print(f"{'concurrency':>11} {'pool':>8} {'dupdash':>8} {'ratio':>6}   copies a minute; goal: a ratio of {GOAL}")
    try:
        for concurrency in arguments.concurrency:
            measurement.set_concurrency(concurrency)
            measurement.dupdash(len(sources), concurrency)
            _print(concurrency, arguments.copies * arguments.rounds, _rounds(measurement, concurrency, arguments))
    finally:
        if site is not None:
            delete_copies(measurement.courses)


def _rounds(measurement: Measurement, concurrency: int, arguments: argparse.Namespace) -> Iterable[tuple[float, float]]:
    """Measure pool and dupdash in several rounds, in which they begin by turns. Yields the seconds of both."""
    for number in range(arguments.rounds):
        if number % 2:
            ours = measurement.dupdash(arguments.copies, concurrency)
            yield measurement.pool(arguments.copies, concurrency), ours
        else:
            yield measurement.pool(arguments.copies, concurrency), measurement.dupdash(arguments.copies, concurrency)


def _print(concurrency: int, copies: int, rounds: Iterable[tuple[float, float]]) -> None:
    pool, ours = (sum(seconds) for seconds in zip(*rounds, strict=True))
    figures = f"{60 * copies / pool:>8.1f} {60 * copies / ours:>8.1f} {pool / ours:>6.2f}"
    print(f"{concurrency:>11} {figures}", flush=True)


if __name__ == "__main__":
    main()

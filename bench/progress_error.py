"""Measures the error of the progress bar: the mean difference between the shown and the real progress of a copy.

    .venv/bin/python -m bench.progress_error [--copies 6] [--busy 16] [--concurrency 8] [--speed 2]

Starts the web process, the workers and a sandbox; with MOODLE_URL it works with a real site (see bench/site_choice.py)
and deletes its own copies there. The bar of every running copy is read ten times a second. The real progress is
computed after the copy has ended: the time since the request was sent, divided by the duration of the copy. The
reference is a plain bar: the time since the request was sent, divided by the median duration of earlier copies of this
source, or else estimated from the number of activities. The plain bar stops at 95 %, and is 0 without earlier copies.
On a site with a single source, which should be a large course, one copy is made at a time.
"""

import argparse
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from bench.site_choice import Site, delete_copies, real_site, sandbox_sources
from tests.chaos.environment import Installation
from tests.chaos.processes import Process

PATIENCE = 900.0
# The goal in percentage points for each case.
GOALS = {
    "first copy of all": 10,
    "no history of this source": 10,
    "with history": 5,
    "history of one copy at a time, now busy": 5,
    "history of busy times, now one at a time": 5,
}


@dataclass
class Curve:
    """The values recorded for one copy: Unix time, dupdash's bar, and the plain bar."""

    expected: float | None
    samples: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Errors:
    bar: float
    plain: float
    copies: int


class Measurement:
    """Makes copies with one installation, case after case. Later cases use the durations of earlier ones."""

    def __init__(self, installation: Installation, sources: tuple[tuple[int, int], ...]) -> None:
        self.installation = installation
        self.sources = sources
        self.run = uuid.uuid4().hex[:6]
        self.courses: list[int] = []
        self._number = 0

    def set_concurrency(self, concurrency: int) -> None:
        """Restart the workers with another number of processes."""
        from django.conf import settings

        settings.MOODLE_CONCURRENCY = concurrency
        self.installation.worker.kill()
        old = self.installation.worker
        self.installation.worker = Process(
            old.name,
            old._command,
            self.installation.environment | {"MOODLE_CONCURRENCY": str(concurrency)},
            self.installation.folder,
        )
        self.installation.worker.start()

    def copy(self, sources: Iterable[tuple[int, int]]) -> Errors:
        """Copy some sources and record their bars."""
        from dupdash.duplication import jobs
        from dupdash.duplication.models import DuplicationJob, Origin
        from dupdash.duplication.moodle_clients import open_client
        from dupdash.duplication.request import Draft, prepare

        ids = []
        with open_client() as client:
            for source, category in sources:
                self._number += 1
                name = f"progress-{self.run}-{self._number}"
                request = prepare(Draft(str(source), f"Copy {name}", name, category), Origin.COMMAND, client)
                ids.append(jobs.submit(request, actor=None, client=client).pk)
        curves = _watch(ids)
        ended = DuplicationJob.objects.in_bulk(ids)
        self.courses += [job.course_id for job in ended.values() if job.course_id is not None]
        return _errors(ended, curves)

    def forget(self, **which: object) -> None:
        """Delete finished jobs, so that dupdash forgets their durations. Their courses are deleted at the end."""
        from dupdash.duplication.models import DuplicationJob, JobEvent

        old = DuplicationJob.objects.filter(**which)
        JobEvent.objects.filter(job__in=old).delete()
        old.delete()


def _watch(ids: list[str]) -> dict[str, Curve]:
    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.progress import progress
    from dupdash.duplication.states import BUSY, State

    curves: dict[str, Curve] = {}
    deadline = time.monotonic() + PATIENCE
    while DuplicationJob.objects.filter(pk__in=ids).unfinished().exists():
        if time.monotonic() > deadline:
            raise SystemExit("the copies did not end: nothing was measured")
        for job in DuplicationJob.objects.filter(pk__in=ids, state__in=BUSY, sent_at__isnull=False):
            if job.pk not in curves:
                curves[job.pk] = Curve(_plain_duration(job))
            curves[job.pk].samples.append((time.time(), progress(job).number))
        time.sleep(0.1)
    failed = DuplicationJob.objects.filter(pk__in=ids).exclude(state=State.SUCCEEDED)
    if failed.exists():
        raise SystemExit(f"{failed.count()} copies failed, the first: {failed[0].failure_message}")
    return curves


def _plain_duration(job: object) -> float | None:
    """Return the median duration of earlier copies."""
    from dupdash.duplication.expectation import COURSE_WEIGHT
    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import State

    assert isinstance(job, DuplicationJob)
    past = DuplicationJob.objects.filter(state=State.SUCCEEDED, finished_at__lt=job.sent_at)
    same = [_seconds(one) for one in past.filter(source_id=job.source_id)]
    if same:
        return median(same)
    paces = [_seconds(one) / (COURSE_WEIGHT + (one.source_activities or 0)) for one in past]
    return median(paces) * (COURSE_WEIGHT + (job.source_activities or 0)) if paces else None


def _seconds(job: object) -> float:
    return (job.finished_at - job.sent_at).total_seconds()  # type: ignore[attr-defined]


def _errors(ended: dict[str, object], curves: dict[str, Curve]) -> Errors:
    """Return the mean error of each copy, averaged over the copies, in percentage points."""
    bar, plain = [], []
    for id, curve in curves.items():
        job = ended[id]
        sent, length = job.sent_at.timestamp(), max(0.001, _seconds(job))  # type: ignore[attr-defined]
        true = [(min(1.0, (at - sent) / length), at - sent, shown) for at, shown in curve.samples if at - sent < length]
        if not true:
            continue
        bar.append(100 * mean(abs(shown - share) for share, _, shown in true))
        plain.append(100 * mean(abs(_plain(elapsed, curve.expected) - share) for share, elapsed, _ in true))
    return Errors(mean(bar), mean(plain), len(bar))


def _plain(elapsed: float, expected: float | None) -> float:
    return 0.0 if expected is None else min(0.95, elapsed / max(expected, 0.001))


def measure(measurement: Measurement, copies: int, busy: int, concurrency: int) -> dict[str, Errors]:
    sources = measurement.sources
    results = {}
    first = []
    measurement.set_concurrency(1)
    for source in sources[:2]:
        measurement.forget()
        first.append(measurement.copy([source]))
    results["first copy of all"] = _together(first)
    results["no history of this source"] = measurement.copy(sources[2 : 2 + copies])
    measurement.copy(sources[:2])
    results["with history"] = measurement.copy(sources[:copies])
    measurement.set_concurrency(concurrency)
    many = [sources[number % len(sources)] for number in range(busy)]
    results["history of one copy at a time, now busy"] = measurement.copy(many)
    measurement.forget(concurrent_copies__lt=concurrency / 2)
    measurement.set_concurrency(1)
    results["history of busy times, now one at a time"] = measurement.copy(sources[:copies])
    return results


def measure_one_source(measurement: Measurement, copies: int) -> dict[str, Errors]:
    sources = measurement.sources
    first = measurement.copy(sources)
    return {"first copy of all": first, "with history": measurement.copy(sources * copies)}


def _together(errors: list[Errors]) -> Errors:
    return Errors(mean(one.bar for one in errors), mean(one.plain for one in errors), sum(one.copies for one in errors))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=6, help="in each case with one copy at a time")
    parser.add_argument("--busy", type=int, default=16, help="copies of the busy case")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--speed", type=float, default=2, help="of the sandbox")
    arguments = parser.parse_args()
    # On SIGTERM, stop the started processes before exiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    site = real_site()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"MOODLE_CONCURRENCY": "1", "LOG_LEVEL": "ERROR", **(site.settings if site else {})}
        installation = Installation(Path(folder), seed=1, periods=settings, speed=arguments.speed)
        try:
            installation.start()
            results = _measure_and_clean_up(installation, site, arguments)
        finally:
            installation.stop()
    where = "a real Moodle" if site else f"the sandbox, speed {arguments.speed:g}"
    print(f"mean error of the bar in points, on {where}; busy: {arguments.concurrency} copies at a time")
    print(f"{'case':<42}{'copies':>7}{'bar':>7}{'plain bar':>11}{'goal':>7}")
    for case, errors in results.items():
        print(f"{case:<42}{errors.copies:>7}{errors.bar:>7.1f}{errors.plain:>11.1f}{GOALS[case]:>7}")


def _measure_and_clean_up(
    installation: Installation, site: Site | None, arguments: argparse.Namespace
) -> dict[str, Errors]:
    from tests.chaos.__main__ import set_up_django

    set_up_django(installation)
    sources = site.sources if site else sandbox_sources(installation, arguments.copies + 2, least=30)
    measurement = Measurement(installation, sources)
    try:
        if len(sources) == 1:
            return measure_one_source(measurement, arguments.copies)
        return measure(measurement, arguments.copies, arguments.busy, arguments.concurrency)
    finally:
        if site:
            delete_copies(measurement.courses)


if __name__ == "__main__":
    main()

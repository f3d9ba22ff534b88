"""Measures how soon dupdash notices the end of copies on a Moodle with the plugin, and how many calls this takes.

    .venv/bin/python -m bench.completion_delay [--copies 24] [--concurrency 4] [--speed 2]

Starts the web process, the workers and a sandbox with the plugin; with MOODLE_URL it works with a real site (see
bench/site_choice.py) and deletes its own copies there. The intervals are those of ``.env.example``. The benchmark
reads the status of all copies ten times a second, beside dupdash. The delay of a job is the time from the first status
that says "done" to the end of the job. On a real site a proxy counts the calls of dupdash. The calls are counted while
Moodle works on all copies: from the start of the last copy to the end of the first. The highest --concurrency is 64.
"""

import argparse
import itertools
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.site_choice import delete_copies, real_site, sandbox_sources
from scripts.lib.acceptance.proxy import ImpatientProxy
from tests.chaos.environment import Installation

GOAL = 2.5
FINISHED_OK = 1000
STATUS = "core_course_async_duplicate_course_get_statuses"
# The proxy only counts calls. Its timeout is much longer than that of dupdash.
PATIENCE = 3600.0


@dataclass(frozen=True)
class Measured:
    # The delay of each job in seconds, sorted.
    delays: list[float]
    # Unix times: the start of the last copy, the end of the first copy, and the end of the last job.
    all_started: float
    first_ended: float
    last_ended: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=24)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--speed", type=float, default=2, help="of the sandbox")
    arguments = parser.parse_args()
    # On SIGTERM, stop the started processes before exiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    site = real_site()
    with (
        tempfile.TemporaryDirectory() as folder,
        ImpatientProxy(site.url, PATIENCE) if site else nullcontext() as proxy,
    ):
        settings = {"MOODLE_CONCURRENCY": str(arguments.concurrency), "LOG_LEVEL": "ERROR"}
        if site and proxy:
            settings |= site.settings | {"MOODLE_URL": proxy.url}
        installation = Installation(Path(folder), seed=1, periods=settings, speed=arguments.speed, plugin=True)
        try:
            installation.start()
            set_up(installation)
            sources = site.sources if site else sandbox_sources(installation, arguments.copies)
            measured = _measure(arguments.copies, sources, site.url if site else installation.sandbox_url)
            where = "a real Moodle" if site else f"the sandbox, speed {arguments.speed:g}"
            _report_delays(measured, f"{len(measured.delays)} copies, concurrency {arguments.concurrency}, on {where}")
            if proxy:
                _report_calls(proxy.calls, measured)
            if site:
                delete_copies(_courses())
        finally:
            installation.stop()


def set_up(installation: Installation) -> None:
    from tests.chaos.__main__ import set_up_django

    set_up_django(installation)


def _measure(copies: int, sources: tuple[tuple[int, int], ...], url: str) -> Measured:
    from django.conf import settings

    from dupdash.duplication import jobs
    from dupdash.duplication.models import DuplicationJob, Origin
    from dupdash.duplication.moodle_clients import open_client
    from dupdash.duplication.request import Draft, prepare
    from dupdash.duplication.states import State

    # The benchmark's own calls do not pass the proxy, so they are not counted.
    settings.MOODLE_URL = url
    run = uuid.uuid4().hex[:6]
    ended: dict[str, float] = {}
    all_started = 0.0
    with open_client() as client:
        for number, (source, category) in enumerate(itertools.islice(itertools.cycle(sources), copies)):
            draft = Draft(str(source), f"Delay {number}", f"DELAY-{run}-{number}", category)
            jobs.submit(prepare(draft, Origin.COMMAND, client), actor=None, client=client)
        while True:
            running = list(DuplicationJob.objects.unfinished().values_list("duplicate_id", flat=True))
            asked = [duplicate_id for duplicate_id in running if duplicate_id and duplicate_id not in ended]
            if not all_started and all(running):
                all_started = time.time()
            for duplicate_id, status in client.async_duplicate_statuses(asked).by_id.items():
                if status.status == FINISHED_OK:
                    ended[duplicate_id] = time.time()
            if not running:
                break
            time.sleep(0.1)
    succeeded = DuplicationJob.objects.filter(state=State.SUCCEEDED, finished_at__isnull=False)
    if succeeded.count() != copies:
        raise SystemExit(f"Only {succeeded.count()} of {copies} copies succeeded, so there is no result.")
    delays = [
        max(0.0, job.finished_at.timestamp() - ended[job.duplicate_id])
        for job in succeeded
        if job.finished_at is not None and job.duplicate_id in ended
    ]
    return Measured(sorted(delays), all_started, min(ended.values()), time.time())


def _courses() -> list[int]:
    from dupdash.duplication.models import DuplicationJob

    return list(DuplicationJob.objects.filter(course_id__isnull=False).values_list("course_id", flat=True))


def _report_delays(measured: Measured, what: str) -> None:
    delays = measured.delays
    at_95 = delays[min(len(delays) - 1, round(0.95 * len(delays)))]
    print(what)
    print(
        "delay from the end in Moodle to the success of the job: "
        f"median {delays[len(delays) // 2]:.2f} s, longest {delays[-1]:.2f} s"
    )
    print(f"95 % within {at_95:.2f} s (goal: {GOAL} s)")


def _report_calls(calls: list[tuple[float, str]], measured: Measured) -> None:
    counted = Counter(function for _, function in calls)
    print(f"calls in all: {', '.join(f'{count} {function}' for function, count in counted.most_common())}")
    statuses = [at for at, function in calls if function == STATUS and at <= measured.last_ended]
    if len(statuses) > 1:
        seconds = (statuses[-1] - statuses[0]) / (len(statuses) - 1)
        print(f"one call for the status of all copies every {seconds:.2f} s")
    if measured.all_started < measured.first_ended:
        between = Counter(function for at, function in calls if measured.all_started < at < measured.first_ended)
        seconds = measured.first_ended - measured.all_started
        print(f"calls while Moodle works ({seconds:.0f} s): {dict(between)}")
    else:
        print("the first copy had ended before the last was started: calls while Moodle works cannot be told")


if __name__ == "__main__":
    main()

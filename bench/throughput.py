"""Measure copies a minute: a plain thread pool and dupdash on the same sandbox, in one run.

    .venv/bin/python -m bench.throughput [--copies 24] [--concurrency 4] [--speed 2]

The thread pool is the limit: it does nothing but send the synchronous call. dupdash looks before it sends, watches
while it waits, confirms and verifies. The sandbox takes the time a real Moodle takes (measured), divided by --speed;
its copies slow each other down as measured. Read the ratio, not the figures: machines are noisy.
"""

import argparse
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.environment import Installation

GOOD = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=24)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--speed", type=float, default=2)
    arguments = parser.parse_args()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        installation = _installation(Path(folder), arguments.concurrency, arguments.speed)
        try:
            installation.start()
            sources = [source for source in installation.courses() if 40 <= source["modules"] <= 60][: arguments.copies]
            plans = [(source["id"], source["category"], number) for number, source in enumerate(sources)]
            pool = _thread_pool(installation, plans, arguments.concurrency)
            ours = _dupdash(installation, plans)
        finally:
            installation.stop()
    print(f"{len(plans)} copies, concurrency {arguments.concurrency}, speed {arguments.speed:g}")
    print(f"thread pool (the limit): {60 * len(plans) / pool:7.1f} copies a minute")
    print(f"dupdash:                 {60 * len(plans) / ours:7.1f} copies a minute")
    print(f"ratio {pool / ours:.2f} (goal: at least {GOOD})")


def _installation(folder: Path, concurrency: int, speed: float) -> Installation:
    """The installation of a chaos run without faults, and with the default periods."""
    return Installation(folder, seed=1, periods={"MOODLE_CONCURRENCY": str(concurrency)}, speed=speed)


def _thread_pool(installation: Installation, plans: list[tuple[int, int, int]], concurrency: int) -> float:
    from dupdash.moodle import options
    from dupdash.moodle.client import MoodleClient

    client = MoodleClient(installation.sandbox_url, installation.environment["MOODLE_TOKEN"])

    def copy(plan: tuple[int, int, int]) -> None:
        source, category, number = plan
        client.duplicate_course(
            source_id=source,
            fullname=f"Pool {number}",
            shortname=f"POOL-{number}",
            category_id=category,
            visible=True,
            options=options.defaults(),
        )

    started = time.monotonic()
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(copy, plans))
    return time.monotonic() - started


def _dupdash(installation: Installation, plans: list[tuple[int, int, int]]) -> float:
    from tests.chaos.__main__ import set_up_django

    set_up_django(installation)
    from dupdash.duplication import jobs
    from dupdash.duplication.models import DuplicationJob, Origin
    from dupdash.duplication.moodle_clients import open_client
    from dupdash.duplication.request import Draft, prepare
    from dupdash.duplication.states import State

    with open_client() as client:
        requests = [
            prepare(Draft(str(source), f"Ours {number}", f"OURS-{number}", category), Origin.COMMAND, client)
            for source, category, number in plans
        ]
        started = time.monotonic()
        for request in requests:
            jobs.submit(request, actor=None, client=client)
    while DuplicationJob.objects.unfinished().exists():
        time.sleep(0.1)
    seconds = time.monotonic() - started
    succeeded = DuplicationJob.objects.filter(state=State.SUCCEEDED).count()
    if succeeded != len(plans):
        raise SystemExit(f"only {succeeded} of {len(plans)} copies succeeded: nothing was measured")
    return seconds


if __name__ == "__main__":
    main()

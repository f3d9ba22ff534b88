"""Copies a minute: a plain thread pool against the sandbox, and dupdash against the same sandbox, in one run.

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

from tests.chaos.environment import World

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
        world = _world(Path(folder), arguments.concurrency, arguments.speed)
        try:
            world.start()
            sources = [source for source in world.courses() if 40 <= source["modules"] <= 60][: arguments.copies]
            wishes = [(source["id"], source["category"], number) for number, source in enumerate(sources)]
            pool = _thread_pool(world, wishes, arguments.concurrency)
            ours = _dupdash(world, wishes)
        finally:
            world.stop()
    print(f"{len(wishes)} copies, concurrency {arguments.concurrency}, speed {arguments.speed:g}")
    print(f"thread pool (the limit): {60 * len(wishes) / pool:7.1f} copies a minute")
    print(f"dupdash:                 {60 * len(wishes) / ours:7.1f} copies a minute")
    print(f"ratio {pool / ours:.2f} (goal: at least {GOOD})")


def _world(folder: Path, concurrency: int, speed: float) -> World:
    """The world of a chaos run without the storm, and with the periods of an ordinary installation."""
    return World(folder, seed=1, periods={"MOODLE_CONCURRENCY": str(concurrency)}, speed=speed)


def _thread_pool(world: World, wishes: list[tuple[int, int, int]], concurrency: int) -> float:
    from dupdash.moodle import options
    from dupdash.moodle.client import MoodleClient

    client = MoodleClient(world.sandbox_url, world.environment["MOODLE_TOKEN"])

    def copy(wish: tuple[int, int, int]) -> None:
        source, category, number = wish
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
        list(pool.map(copy, wishes))
    return time.monotonic() - started


def _dupdash(world: World, wishes: list[tuple[int, int, int]]) -> float:
    from tests.chaos.__main__ import set_up_django

    set_up_django(world)
    from dupdash.duplication import jobs
    from dupdash.duplication.models import DuplicationJob, Origin
    from dupdash.duplication.moodle_clients import open_client
    from dupdash.duplication.request import Draft, prepare
    from dupdash.duplication.states import State

    with open_client() as client:
        requests = [
            prepare(Draft(str(source), f"Ours {number}", f"OURS-{number}", category), Origin.COMMAND, client)
            for source, category, number in wishes
        ]
        started = time.monotonic()
        for request in requests:
            jobs.submit(request, actor=None, client=client)
    while DuplicationJob.objects.unfinished().exists():
        time.sleep(0.1)
    seconds = time.monotonic() - started
    succeeded = DuplicationJob.objects.filter(state=State.SUCCEEDED).count()
    if succeeded != len(wishes):
        raise SystemExit(f"only {succeeded} of {len(wishes)} copies succeeded: nothing was measured")
    return seconds


if __name__ == "__main__":
    main()

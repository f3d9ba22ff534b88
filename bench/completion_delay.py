"""Measure the delay between the end of a copy in Moodle and the success of its job (asynchronous driver).

    .venv/bin/python -m bench.completion_delay [--copies 24] [--concurrency 4] [--speed 2]

Starts the web process, the workers and a sandbox with the asynchronous services. The intervals are those of
``.env.example``. The benchmark reads the status of all copies ten times a second. The delay of a job is the time from
the first status that says "done" to the end of the job. With --concurrency 100, a hundred copies run at the same time.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.environment import Installation

GOAL = 2.5
FINISHED_OK = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=24)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--speed", type=float, default=2)
    arguments = parser.parse_args()
    # On SIGTERM, stop the started processes before exiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(
            Path(folder),
            seed=1,
            periods={"MOODLE_CONCURRENCY": str(arguments.concurrency), "LOG_LEVEL": "ERROR"},
            speed=arguments.speed,
            native=True,
        )
        try:
            installation.start()
            delays = sorted(_measure(installation, arguments.copies))
        finally:
            installation.stop()
    at_95 = delays[min(len(delays) - 1, round(0.95 * len(delays)))]
    print(f"{len(delays)} copies, concurrency {arguments.concurrency}, speed {arguments.speed:g}")
    print(
        "delay from the end in Moodle to the success of the job: "
        f"median {delays[len(delays) // 2]:.2f} s, longest {delays[-1]:.2f} s"
    )
    print(f"95 % within {at_95:.2f} s (goal: {GOAL} s)")


def _measure(installation: Installation, copies: int) -> list[float]:
    from tests.chaos.__main__ import set_up_django

    set_up_django(installation)
    from dupdash.duplication import jobs
    from dupdash.duplication.models import DuplicationJob, Origin
    from dupdash.duplication.moodle_clients import open_client
    from dupdash.duplication.request import Draft, prepare
    from dupdash.duplication.states import State

    sources = [source for source in installation.courses() if 0 < source["modules"] <= 70][:copies]
    ended: dict[str, float] = {}
    with open_client() as client:
        for number, source in enumerate(sources):
            draft = Draft(str(source["id"]), f"Delay {number}", f"DELAY-{number}", source["category"])
            jobs.submit(prepare(draft, Origin.COMMAND, client), actor=None, client=client)
        while True:
            running = list(DuplicationJob.objects.unfinished().values_list("duplicate_id", flat=True))
            asked = [duplicate_id for duplicate_id in running if duplicate_id and duplicate_id not in ended]
            for duplicate_id, status in client.async_duplicate_statuses(asked).items():
                if status.status == FINISHED_OK:
                    ended[duplicate_id] = time.time()
            if not running:
                break
            time.sleep(0.1)
    succeeded = DuplicationJob.objects.filter(state=State.SUCCEEDED, finished_at__isnull=False)
    if succeeded.count() != len(sources):
        raise SystemExit(f"Only {succeeded.count()} of {len(sources)} copies succeeded, so there is no result.")
    return [
        max(0.0, job.finished_at.timestamp() - ended[job.duplicate_id])
        for job in succeeded
        if job.finished_at is not None and job.duplicate_id in ended
    ]


if __name__ == "__main__":
    main()

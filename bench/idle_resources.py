"""Measures processes, memory and CPU time of the workers and the web process while dupdash is idle.

    .venv/bin/python -m bench.idle_resources [--settle 20] [--seconds 60] [--postgres] [--redis]

Starts a sandbox, the workers, and the web process with deploy/gunicorn.conf.py, with the settings of an ordinary
installation: with SQLite, or with its own PostgreSQL and Redis. Waits, and then reads memory and CPU time from /proc.
The memory is the proportional set size (PSS), in which shared memory is divided by the number of processes that share
it. The sandbox, the database server and Redis are not included.
"""

import argparse
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.environment import Installation
from tests.chaos.processes import MARK, Process, carrying, python

GOAL_MEMORY, GOAL_PROCESSOR = 250, 2.0


@dataclass(frozen=True)
class Usage:
    """The memory (MiB) of some processes, and the CPU seconds that they have used."""

    processes: int
    memory: float
    processor: float


def usage(pids: Iterable[int]) -> Usage:
    count, memory, ticks = 0, 0.0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            proportional = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            count += 1
            memory += int(proportional[1]) / 1024 if proportional else 0
            ticks += int(fields[11]) + int(fields[12])
    return Usage(count, memory, ticks / os.sysconf("SC_CLK_TCK"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settle", type=float, default=20, help="seconds before the measurement")
    parser.add_argument("--seconds", type=float, default=60, help="of the measurement")
    parser.add_argument("--postgres", action="store_true", help="use PostgreSQL instead of SQLite")
    parser.add_argument("--redis", action="store_true", help="use Redis as the broker instead of the database")
    arguments = parser.parse_args()
    # On SIGTERM, stop the started processes before exiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(
            Path(folder),
            seed=1,
            periods={"LOG_LEVEL": "ERROR"},
            postgres=arguments.postgres,
            redis=arguments.redis,
        )
        address = installation.web_url.removeprefix("http://")
        serve = python("-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", address, "dupdash.wsgi")
        installation.web = Process("web", serve, installation.environment, installation.folder)
        try:
            installation.start()
            time.sleep(arguments.settle)
            before = {name: usage(_pids(installation, name)) for name in ("worker", "web")}
            time.sleep(arguments.seconds)
            after = {name: usage(_pids(installation, name)) for name in ("worker", "web")}
        finally:
            installation.stop()
    shares = {name: 100 * (after[name].processor - before[name].processor) / arguments.seconds for name in after}
    print(f"{'':<8}{'processes':>10}{'PSS, MiB':>10}{'processor, % of a core':>24}")
    for name, used in after.items():
        print(f"{name:<8}{used.processes:>10}{used.memory:>10.0f}{shares[name]:>24.1f}")
    processes, memory = sum(used.processes for used in after.values()), sum(used.memory for used in after.values())
    print(f"{'both':<8}{processes:>10}{memory:>10.0f}{sum(shares.values()):>24.1f}")
    print(f"{'goal':<8}{'':>10}{GOAL_MEMORY:>10}{GOAL_PROCESSOR:>24.1f}")


def _pids(installation: Installation, name: str) -> set[int]:
    return carrying(f"{MARK}={installation.folder}/{name}")


if __name__ == "__main__":
    main()

"""Measures how long dupdash takes to check the rows of a list, with a Moodle that answers each request after 20 ms.

    .venv/bin/python -m bench.check_rows [--rows 1000] [--latency 0.02]

Every row names a different source by its short name, and has a different new short name: two lookups for each row. The
reference in the same run makes the same lookups one after the other, for 50 rows. Goal: 1,000 rows in 10 s. The CPU
seconds show whether other programs kept the processor busy.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL = 10.0
COMPARED = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.02)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), arguments.rows, arguments.latency)


def _measure(folder: Path, rows: int, latency: float) -> None:
    sandbox = _start_sandbox(folder, rows, latency)
    try:
        _compare(rows, latency)
    finally:
        sandbox.terminate()
        sandbox.wait(10)


def _start_sandbox(folder: Path, rows: int, latency: float) -> subprocess.Popen[str]:
    """Start the sandbox in a process of its own, so that it does not share Python's lock with the measured code."""
    program = (
        "import sys, time\n"
        "from dupdash.sandbox.server import Sandbox\n"
        "class Slow(Sandbox):\n"
        "    def _handle(self, request):\n"
        f"        time.sleep({latency})\n"
        "        return super()._handle(request)\n"
        "with Slow(speed=1000) as sandbox:\n"
        f"    for n in range({rows}):\n"
        "        sandbox.state.add(shortname=f'SRC-{n}', fullname=f'Source {n}', categoryid=8, origin='created')\n"
        "    print(sandbox.url, sandbox.token, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url, token = process.stdout.readline().split()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "dupdash.settings",
        "DUPDASH_ENV_FILE": "",
        "SECRET_KEY": "only-for-a-benchmark",
        "DATABASE_URL": f"sqlite:///{folder / 'dupdash.sqlite3'}",
        "MOODLE_URL": url,
        "MOODLE_TOKEN": token,
        "LOG_LEVEL": "ERROR",
        "ROLLOVER_ROWS": "50000",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    return process


def _compare(rows: int, latency: float) -> None:
    from dupdash.duplication.moodle_clients import open_client
    from dupdash.moodle import options
    from dupdash.rollover.checks.plans import continue_checks
    from dupdash.rollover.models import Level
    from dupdash.rollover.plan_creation import plan_from_table
    from dupdash.rollover.reading.table import read_table

    lines = [f"SRC-{n},Copy {n},COPY-{n},8" for n in range(rows)]
    content = "\n".join(["source,fullname,shortname,category", *lines]).encode()
    plan = plan_from_table(read_table(content, rows_most=rows), name="A term", owner=None, options=options.defaults())
    began, began_working = time.perf_counter(), time.process_time()
    continue_checks(plan, float("inf"))
    took, worked = time.perf_counter() - began, time.process_time() - began_working
    good = plan.rows.filter(level=Level.OK).count()
    began = time.perf_counter()
    with open_client() as client:
        for n in range(COMPARED):
            client.courses_by_shortname(f"SRC-{n}")
            client.courses_by_shortname(f"COPY-{n}")
    alone = (time.perf_counter() - began) / COMPARED
    print(f"{rows:,} rows, {good:,} without problems, each request answered after {latency * 1000:.0f} ms")
    print(f"checked in {took:.1f} s, of which the processor worked {worked:.1f} s")
    print(f"one lookup after the other would take {alone * rows:.0f} s")
    for_a_thousand = took / rows * 1000
    reached = "reached" if for_a_thousand <= GOAL else "MISSED"
    print(f"{for_a_thousand:.1f} s for 1,000 rows (goal: {GOAL:.0f} s): {reached}")


if __name__ == "__main__":
    main()

"""Measures memory, CPU time, database load and copies per minute of dupdash on one host and on several hosts.

    .venv/bin/python -m bench.several_hosts [--hosts 1 3] [--seconds 30] [--copies 48] [--concurrency 8] [--speed 20]

Starts PostgreSQL, Redis, a sandbox, one web process and the workers of the given numbers of hosts, all on this machine,
with the default intervals. First it measures the idle processes: memory (PSS), CPU time, connections and transactions.
Then it requests copies of different courses. All hosts share the cores of this machine, so more hosts do not make more
copies per minute; the figure shows how much time the coordination of several hosts costs.
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterable

from bench.idle_resources import usage
from bench.site_choice import sandbox_sources
from tests.chaos.environment import Source
from tests.chaos.people import CopyPlan
from tests.hosts.installation import SeveralHosts, several_hosts

WAIT = """SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - dispatched_at))
    FROM duplication_duplicationjob"""
CONNECTIONS = "SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--settle", type=float, default=20, help="seconds before the measurement")
    parser.add_argument("--seconds", type=float, default=30, help="of the measurement without copies")
    parser.add_argument("--copies", type=int, default=48)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--speed", type=float, default=20)
    arguments = parser.parse_args()
    # On SIGTERM, stop the started processes before exiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for hosts in arguments.hosts:
        periods = {"MOODLE_CONCURRENCY": str(arguments.concurrency), "LOG_LEVEL": "ERROR"}
        with several_hosts(hosts, scaled=False, speed=arguments.speed, **periods) as installation:
            installation.until_clusters_work()
            print(f"{hosts} host{'s' * (hosts > 1)}, concurrency {arguments.concurrency}", flush=True)
            _idle(installation, arguments.settle, arguments.seconds)
            _copies(installation, arguments.copies)


def _idle(installation: SeveralHosts, settle: float, seconds: float) -> None:
    time.sleep(settle)
    before = [usage(host.pids()) for host in installation.hosts]
    transactions = _number(installation, TRANSACTIONS)
    time.sleep(seconds)
    after = [usage(host.pids()) for host in installation.hosts]
    transactions = _number(installation, TRANSACTIONS) - transactions
    shares = [100 * (late.processor - early.processor) / seconds for early, late in zip(before, after, strict=True)]
    print(f"  without copies, a host: {_mean(one.processes for one in after):.0f} processes, ", end="")
    print(f"{_mean(one.memory for one in after):.0f} MiB, {_mean(shares):.1f} % of a core")
    print(f"  without copies, all: {_number(installation, CONNECTIONS) - 1:.0f} connections to the database, ", end="")
    print(f"{transactions / seconds:.1f} transactions a second", flush=True)


def _copies(installation: SeveralHosts, copies: int) -> None:
    names = {course["id"]: course["shortname"] for course in installation.courses()}
    sources = [Source(id, names[id], category) for id, category in sandbox_sources(installation, copies)]
    person = installation.person()
    transactions, began = _number(installation, TRANSACTIONS), time.monotonic()
    for number, source in enumerate(sources):
        person.request_copy(CopyPlan(source, f"BENCH-{number}", f"Bench {number}", True, False))
    installation.until_all_succeeded(600)
    seconds = time.monotonic() - began
    transactions = _number(installation, TRANSACTIONS) - transactions
    print(f"  {len(sources)} copies: {60 * len(sources) / seconds:.0f} a minute, ", end="")
    print(f"{transactions / len(sources):.0f} transactions each; a worker took a dispatched job after ", end="")
    print(f"{1000 * _number(installation, WAIT):.0f} ms (median)", flush=True)


def _number(installation: SeveralHosts, query: str) -> float:
    return float(installation.ask(query)[0][0])


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


if __name__ == "__main__":
    main()

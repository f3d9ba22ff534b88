"""Measures how long each page takes with many jobs in the database: ``python bench/pages.py --jobs 1000000``.

Fills a SQLite file and, with ``--postgres``, a database on that server with a year of invented jobs and events. Then it
requests every page many times as each of two people, through the whole middleware, one request after the other. The
table shows the median and the 95th percentile of each page on both databases, Django admin's list of the same rows as a
reference, and the share of requests that meet the goal. Below the table it names the queries that read a whole table of
jobs or events.

``--keep FILE`` keeps the SQLite file. ``--fill`` only creates the file, to view the pages with many jobs.
"""

import argparse
import gc
import json
import logging
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
JOBS = 10_000
# The goal: 95 % of the requests take at most this many milliseconds.
GOALS = {"postgresql": 100, "sqlite": 250}
SHARE = 0.95
PASSWORD = "look-around"
TABLES = r"duplication_(?:duplicationjob|jobevent)"
REFERENCE = "admin: "
# These are measured without a goal: nobody waits for them, or they cover all jobs of a period.
WITHOUT_GOAL = ("all as CSV", "insights")


@dataclass
class Measured:
    person: str
    page: str
    median: float
    percentile: float
    queries: int
    kilobytes: float
    taken: list[float] = field(repr=False)
    whole_tables: list[str] = field(default_factory=list)

    @property
    def has_goal(self) -> bool:
        return not self.page.startswith((REFERENCE, *WITHOUT_GOAL))


# --- One database: in a process of its own ------------------------------------------------------------------


def set_up() -> None:
    os.environ |= {"DUPDASH_ENV_FILE": "", "DEBUG": "false", "SECRET_KEY": "bench", "LOG_LEVEL": "ERROR"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "dupdash.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    # As in deploy/gunicorn.conf.py.
    gc.collect()
    gc.freeze()


def fill(count: int) -> None:
    from django.contrib.auth.models import Group, User
    from django.utils import timezone

    from bench import fill_database
    from dupdash.accounts.access import Role
    from dupdash.duplication.models import DuplicationJob

    if DuplicationJob.objects.exists():
        return
    fill_database.fill(count, fill_database.people(), timezone.now())
    for name, role in (("admin", Role.ADMINISTRATOR), ("helpdesk", Role.HELP_DESK)):
        person = User.objects.create_user(name, f"{name}@example.edu", PASSWORD)
        person.groups.add(Group.objects.get_or_create(name=role.value)[0])
    User.objects.filter(username="admin").update(is_staff=True, is_superuser=True)
    faculty = User.objects.get(username="faculty")
    faculty.set_password(PASSWORD)
    faculty.save(update_fields=["password"])


def addresses(visible: Any) -> dict[str, str]:
    """Return the URLs of the measured pages by their name, for a person who sees these jobs."""
    from django.urls import reverse

    from dupdash.web.job_list.orders import DEFAULT, ORDERS, Key

    copies = reverse("jobs:list")
    job = visible.filter(state="succeeded").order_by("-created_at").first()

    def listed(**query: object) -> str:
        return f"{copies}?{urlencode(query)}"

    def deep(name: str) -> str:
        """Return the URL of a page in the middle of the sorted list."""
        number = len(ORDERS[name].parts) - 1 if name == DEFAULT else 0
        jobs = ORDERS[name].parts[number].sorted(visible)
        middle = jobs[jobs.count() // 2]
        return listed(sort=name, next=Key(number, middle.sort_value, middle.pk))

    filters = {
        "state": "failed", "person": job.requester_id, "source": job.source_id, "category": job.category_id,
        "option": "users", "cause": "shortnametaken", "since": f"{job.created_at:%Y-%m-%d}",
        "until": "2100-01-01", "finished_since": f"{job.created_at:%Y-%m-%d}",
    }  # fmt: skip
    states = ("attention", "unfinished", "under_way", "partial", "succeeded", "cancelled")
    searches = {
        "rare": job.shortname, "person": "muller ngozi", "two words": "okologie 2026s1", "common": "biology",
        "in old ones only": "2025s1", "nowhere": "not-to-be-found", "error": "ddltablenotexist",
        "course id": job.course_id, "job id": job.pk, "two signs": "bi",
        "explanation": "another course has the short name",
    }  # fmt: skip
    combined = {"state": "failed", "cause": "shortnametaken", "option": "users"}
    admin = "/admin/duplication/duplicationjob/"
    return {
        "overview": reverse("overview"),
        "overview, polled": reverse("overview_live"),
        "copies": copies,
        "copies, rows polled": f"{reverse('jobs:rows')}?job={job.pk}&newest={quote(job.created_at.isoformat())}",
        **{f"filter {name}": listed(**{name: value}) for name, value in filters.items()},
        **{f"filter state {state}": listed(state=state) for state in states},
        "filter option left out": listed(option="-blocks"),
        "filter source by name": listed(source=job.source_shortname),
        "three filters": listed(**combined),
        "three filters, by duration": listed(**combined, sort="-took"),
        **{f"search {kind}": listed(q=text) for kind, text in searches.items()},
        "search with a typo": listed(q="bioolgy"),
        "search and filter": listed(q="biology", state="failed"),
        "search what needs attention": listed(q="biology", state="attention"),
        "search, by duration": listed(q="biology", sort="-took"),
        **{f"sort {name}": listed(sort=name) for name in ORDERS if name != DEFAULT},
        **{f"deep page, {name}": deep(name) for name in ORDERS},
        "failed, by duration": listed(state="failed", sort="took"),
        "retry all that failed?": f"{reverse('jobs:bulk_action')}?action=retry&all=1&state=failed",
        "retry what needs attention?": f"{reverse('jobs:bulk_action')}?action=retry&all=1&state=attention",
        "job": reverse("jobs:job", args=[job.pk]),
        "insights, 30 days": reverse("insights"),
        "insights, a year": f"{reverse('insights')}?days=365",
        "all as CSV": f"{reverse('jobs:csv')}?since={job.created_at:%Y-%m-%d}",
        "all as CSV, partial courses": f"{reverse('jobs:csv')}?state=partial",
        f"{REFERENCE}first page": admin,
        f"{REFERENCE}page 5,000": f"{admin}?p=5000" if visible.count() > 500_000 else f"{admin}?p=50",
        f"{REFERENCE}filter state": f"{admin}?state__exact=failed",
        f"{REFERENCE}search": f"{admin}?q=biology",
    }


def register_reference() -> None:
    """Register a plain list of jobs in Django's admin as the reference. dupdash itself has no such list."""
    from django.contrib import admin

    from dupdash.duplication.models import DuplicationJob

    class JobAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
        list_display = ("fullname", "shortname", "state", "requester", "created_at", "finished_at")
        list_filter = ("state",)
        list_select_related = ("requester",)
        list_per_page = 25
        search_fields = ("fullname", "shortname", "source_shortname")

    admin.site.register(DuplicationJob, JobAdmin)


def timed(ask: Callable[[], object], times: int) -> list[float]:
    """Return the milliseconds of each call except the first, which is the warm-up."""
    ask()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def measure(times: int) -> Iterator[Measured]:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from dupdash.accounts import access

    # Pages that this person may not open are left out below.
    logging.disable(logging.WARNING)
    for name in ("admin", "faculty"):
        person = User.objects.get(username=name)
        client = Client(HTTP_HOST="localhost")
        client.force_login(person)
        for page, address in addresses(access.visible_jobs(person)).items():

            def ask(client: Client = client, address: str = address) -> Any:
                response = client.get(address)
                return response, len(response.getvalue())

            with CaptureQueriesContext(connection) as queries:
                response, size = ask()
                # The log must be read before the next request, which empties it.
                asked = [query["sql"] for query in queries.captured_queries]
            # Not for this person, or nothing to do there: not a single failed copy, for example.
            if response.status_code in (302, 303, 403):
                continue
            if response.status_code not in (200, 286):
                raise SystemExit(f"{address} answered {response.status_code}")
            is_reference = page.startswith(REFERENCE)
            taken = timed(ask, 3 if is_reference or page.startswith(WITHOUT_GOAL) else times)
            whole = [] if is_reference else [sql for sql in asked if reads_whole_table(sql)]
            yield Measured(
                name, page, statistics.median(taken), percentile(taken), len(asked), size / 1024, taken, whole
            )


def percentile(taken: list[float]) -> float:
    return sorted(taken)[min(len(taken) - 1, int(SHARE * len(taken)))]


def reads_whole_table(sql: str) -> bool:
    """Return whether a query reads all rows of a table or index. A scan that ends at a LIMIT does not count."""
    from django.db import connection

    if not re.search(TABLES, sql) or not sql.startswith(("SELECT", "WITH")):
        return False
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            return _scans(cursor.fetchone()[0][0]["Plan"], limited=False)
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        steps = [row[3] for row in cursor.fetchall()]
    # "SCAN … USING INDEX" reads rows in the order of the index until the LIMIT is reached.
    scans = [step for step in steps if re.match(rf"SCAN (?:{TABLES}|U\d)\b", step)]
    return any("USING" not in step or " LIMIT " not in sql for step in scans)


def _scans(plan: dict[str, Any], *, limited: bool) -> bool:
    kind, limited = plan["Node Type"], limited or plan["Node Type"] == "Limit"
    if plan.get("Index Name") in _small_indexes():
        return False
    if re.fullmatch(TABLES, plan.get("Relation Name", "")):
        if kind == "Seq Scan":
            return True
        if kind.startswith("Index") and "Index Cond" not in plan and not limited:
            return True
    # Rows that are sorted or hashed are all read, whatever LIMIT follows.
    limited = limited and kind not in ("Sort", "Hash", "HashAggregate")
    return any(_scans(child, limited=limited) for child in plan.get("Plans", ()))


@cache
def _small_indexes() -> frozenset[str]:
    """Return the names of PostgreSQL's partial indexes that contain less than a tenth of the rows of their table."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.relname FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid "
            "WHERE indpred IS NOT NULL AND i.reltuples < t.reltuples / 10"
        )
        return frozenset(row[0] for row in cursor.fetchall())


def run_one(given: argparse.Namespace) -> int:
    """Fill and measure the database of DATABASE_URL, and print the results as JSON."""
    set_up()
    start = time.perf_counter()
    fill(given.jobs)
    from django.db import connection

    from dupdash.duplication.models import DuplicationJob, JobEvent

    facts = f"{DuplicationJob.objects.count():,} jobs, {JobEvent.objects.count():,} events"
    print(f"{connection.vendor}: {facts} (filled in {time.perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)
    if not given.fill:
        register_reference()
        print(json.dumps({connection.vendor: [asdict(measured) for measured in measure(given.times)]}))
    return 0


# --- Both databases -----------------------------------------------------------------------------------------


@contextmanager
def database_on(server: str) -> Iterator[str]:
    """Create a database on a PostgreSQL server, yield its URL, and drop it afterwards."""
    import psycopg

    base, name = server.rsplit("/", 1)[0] if server.count("/") > 2 else server, f"dupdash_bench_{os.getpid()}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{base}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def results_of(database: str, arguments: list[str]) -> dict[str, list[Measured]]:
    answer = subprocess.run(
        [sys.executable, __file__, "--one", *arguments],
        env={**os.environ, "DATABASE_URL": database},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(answer.stdout or "{}")
    return {vendor: [Measured(**row) for row in rows] for vendor, rows in found.items()}


def show(results: dict[str, list[Measured]]) -> bool:
    pages: dict[tuple[str, str], dict[str, Measured]] = {}
    for vendor, rows in results.items():
        for row in rows:
            pages.setdefault((row.person, row.page), {})[vendor] = row
    shown = ""
    for (person, page), by_vendor in pages.items():
        if person != shown:
            shown = person
            print(f"\nas {person:<30}" + "".join(f"{vendor + ', 95 %':>26}" for vendor in results) + f"{'queries':>9}")
        cells = (_cell(vendor, by_vendor.get(vendor)) for vendor in results)
        print(f"{page:<33}{''.join(cells)}{max(row.queries for row in by_vendor.values()):>7}")
    print()
    # Every result is printed, even after one that misses its goal.
    met = [_meets_goal(vendor, rows) for vendor, rows in results.items()]
    return all(met)


def _cell(vendor: str, row: Measured | None) -> str:
    if row is None:
        return " " * 29
    too_slow = row.has_goal and row.percentile > GOALS[vendor]
    return f"{row.median:>13.1f} ms{row.percentile:>9.1f} ms{' !' if too_slow else '  '}"


def _meets_goal(vendor: str, rows: list[Measured]) -> bool:
    taken = [one for row in rows if row.has_goal for one in row.taken]
    share = sum(one <= GOALS[vendor] for one in taken) / len(taken)
    print(
        f"{vendor}: {100 * share:.1f} % of {len(taken)} requests within {GOALS[vendor]} ms (goal {100 * SHARE:.0f} %)"
    )
    for row in rows:
        for sql in row.whole_tables:
            print(f"  reads a whole table: {row.page}, as {row.person}: {sql[:300]}")
    return share >= SHARE


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--postgres", metavar="URL", help="a server on which a database may be created")
    parser.add_argument("--keep", metavar="FILE", help="keep the SQLite file")
    parser.add_argument("--fill", action="store_true", help="only fill the SQLite file")
    parser.add_argument("--one", action="store_true", help="measure the database of DATABASE_URL alone, print JSON")
    given = parser.parse_args()
    if given.one:
        return run_one(given)
    arguments = ["--jobs", str(given.jobs), "--times", str(given.times), *(["--fill"] if given.fill else [])]
    results: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.abspath(given.keep or os.path.join(folder, "pages.sqlite3"))
        results |= results_of(f"sqlite:///{file}", arguments)
    if given.postgres and not given.fill:
        with database_on(given.postgres) as database:
            results |= results_of(database, arguments)
    print(f"{given.jobs:,} jobs; {os.cpu_count()} cores")
    return 0 if not results or show(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())

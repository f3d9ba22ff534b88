"""How long the pages take with 10,000 jobs in the database: ``python bench/pages.py``.

A file of its own (SQLite, or DATABASE_URL) is filled with a year of made-up copies and their events, and every page
is asked for again and again as each of two people, through the whole middleware, one request after the other. Printed
are medians, beside the goal (300 ms) and a view that returns a constant to the same person: what the frame alone costs.

``--keep FILE`` keeps the database, ``--fill`` only makes it: to look at the pages with something in them.
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
JOBS = 10_000
GOAL = 300
CONSTANT = "bench/constant"
PASSWORD = "look-around"


def set_up(file: str) -> None:
    os.environ |= {"DUPDASH_ENV_FILE": "", "DEBUG": "false", "SECRET_KEY": "bench", "LOG_LEVEL": "ERROR"}
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{file}")
    os.environ["DJANGO_SETTINGS_MODULE"] = "dupdash.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill(count: int) -> None:
    from django.contrib.auth.models import Group, User
    from django.utils import timezone

    from bench import fill_database
    from dupdash.accounts.access import Role
    from dupdash.duplication.models import DuplicationJob

    if DuplicationJob.objects.exists():
        return
    people = fill_database.people()
    fill_database.fill(count, people, timezone.now())
    for name, role in (("admin", Role.ADMINISTRATOR), ("helpdesk", Role.HELP_DESK), ("faculty", Role.FACULTY)):
        person = User.objects.create_user(name, f"{name}@example.edu", PASSWORD)
        person.groups.add(Group.objects.get_or_create(name=role.value)[0])
    faculty = User.objects.get(username="faculty")
    DuplicationJob.objects.filter(requester=people[0]).update(requester=faculty)


def addresses() -> dict[str, str]:
    from django.urls import reverse

    from dupdash.duplication.models import DuplicationJob
    from dupdash.web.history.sorting import SORTS

    history, insights = reverse("history"), reverse("insights")
    sort = SORTS["-took"]
    middle = sort.key_of(sort.sorted(DuplicationJob.objects.all())[5000])
    ended = DuplicationJob.objects.filter(state="succeeded").order_by("-created_at")[0]
    return {
        "a constant": f"/{CONSTANT}",
        "overview": reverse("overview"),
        "copies": reverse("jobs:list"),
        "job": reverse("jobs:job", args=[ended.pk]),
        "history": history,
        "history, filtered": f"{history}?state=failed&cause=shortnametaken&option=users",
        "history, searched": f"{history}?q=muller+okologie",
        "history, found nowhere": f"{history}?q=not-to-be-found",
        "history, sorted by person": f"{history}?sort=person",
        "history, in the middle": f"{history}?sort=-took&next={middle}",
        "history, 10,000 to retry?": f"{reverse('history_change')}?verb=retry&all=1",
        "insights, 30 days": insights,
        "insights, a year": f"{insights}?days=365",
        "all as CSV": reverse("history_csv"),
    }


def constant_view() -> None:
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    from dupdash import urls

    def constant(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"for {request.user}")

    urls.urlpatterns.insert(0, path(CONSTANT, constant))


def median_of(ask: Callable[[], object], times: int) -> tuple[float, float, float]:
    """In milliseconds: the median and the slowest of some, and the median of the processor's time alone.

    The first one warms up and does not count. What else the machine does shows in the first two.
    """
    ask()
    taken, worked = [], []
    for _ in range(times):
        start, work = time.perf_counter(), time.process_time()
        ask()
        taken.append((time.perf_counter() - start) * 1000)
        worked.append((time.process_time() - work) * 1000)
    return statistics.median(taken), max(taken), statistics.median(worked)


def measure(times: int) -> bool:
    from django.contrib.auth.models import User
    from django.db import connection, reset_queries
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    reset_queries()
    # Who may not open a page is left out below; no need to tell.
    logging.disable(logging.WARNING)
    all_well = True
    for name in ("admin", "faculty"):
        client = Client(HTTP_HOST="localhost")
        client.force_login(User.objects.get(username=name))
        print(f"\nas {name:<24}{'median':>9}{'slowest':>10}{'processor':>11}{'goal':>8}{'queries':>9}{'size':>10}")
        for what, address in addresses().items():

            def ask(client: Client = client, address: str = address) -> int:
                response = client.get(address)
                assert response.status_code in (200, 303), f"{address}: {response.status_code}"
                return len(response.getvalue())

            with CaptureQueriesContext(connection) as queries:
                try:
                    size = ask()
                except AssertionError:
                    # Not for this person.
                    continue
                asked = len(queries)
            median, slowest, worked = median_of(ask, 3 if what == "all as CSV" else times)
            is_page = what not in ("a constant", "all as CSV")
            well = median <= GOAL or not is_page
            all_well &= well
            goal = f"{GOAL} ms" if is_page else ""
            print(
                f"{what:<27}{median:>6.1f} ms{slowest:>7.1f} ms{worked:>8.1f} ms{goal:>8}{asked:>9}"
                f"{size / 1024:>7.0f} KB{'' if well else '   too slow'}"
            )
    return all_well


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--keep", metavar="FILE")
    parser.add_argument("--fill", action="store_true", help="only fill the database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(os.path.abspath(given.keep or os.path.join(folder, "pages.sqlite3")))
        start = time.perf_counter()
        fill(given.jobs)
        from dupdash.duplication.models import DuplicationJob, JobEvent

        print(
            f"{DuplicationJob.objects.count():,} jobs, {JobEvent.objects.count():,} events "
            f"(filled in {time.perf_counter() - start:.1f} s); {os.cpu_count()} cores"
        )
        if given.fill:
            return 0
        constant_view()
        return 0 if measure(given.times) else 1


if __name__ == "__main__":
    raise SystemExit(main())

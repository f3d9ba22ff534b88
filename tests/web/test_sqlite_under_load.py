"""Tests SQLite with dupdash's settings, the default number of workers, and many browsers that poll."""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.transitions import record_event
from tests.conftest import signed_in
from tests.duplication.support import PATIENCE, Background
from tests.web.support import a_running_job

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, BROWSERS = 4, 20
SECONDS = 4.0


@pytest.fixture
def as_in_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database with the settings of an installation: each commit waits for the disk and holds the lock longer."""
    if connection.vendor != "sqlite":
        pytest.skip("there is a lock for everybody in SQLite only")
    options = connection.settings_dict["OPTIONS"]
    as_set = options["init_command"].removesuffix(" PRAGMA synchronous=OFF;")
    assert "synchronous=FULL" in as_set
    monkeypatch.setitem(options, "init_command", as_set)


def one_more(job_id: str) -> None:
    """Simulate a worker: read a row, wait, and write the row and an event."""
    with transaction.atomic():
        job = DuplicationJob.objects.get(pk=job_id)
        record_event(job, kind="counted", reason=f"Looked {job.checks + 1} times.", checks=job.checks + 1)


@pytest.mark.usefixtures("as_in_life")
def test_no_page_fails_with_a_locked_database(administrator: User) -> None:
    jobs = [a_running_job(shortname=f"NEW-{number}", source_id=number) for number in range(WRITERS)]
    clients = [signed_in(administrator) for _ in range(BROWSERS)]
    over = time.monotonic() + SECONDS
    done: dict[str, list[Any]] = {"written": [], "answered": []}
    failed = threading.Event()

    def until_it_is_over(kind: str, act: Callable[[], object]) -> Background:
        def work() -> None:
            try:
                while time.monotonic() < over and not failed.is_set():
                    done[kind].append(act())
            except BaseException:
                failed.set()
                raise

        return Background(work)

    def polling(client: Client, number: int) -> Callable[[], int]:
        pages = (f"/jobs/{job.pk}/{part}" for part in itertools.cycle(("", "status/")) for job in jobs)
        addresses = itertools.islice(pages, number, None)
        return lambda: client.get(next(addresses)).status_code

    everybody = [until_it_is_over("written", lambda job=job: one_more(job.pk)) for job in jobs]  # type: ignore[misc]
    everybody += [until_it_is_over("answered", polling(client, number)) for number, client in enumerate(clients)]
    for one in everybody:
        one.start()
    for one in everybody:
        one.join(PATIENCE)
        assert not one.is_alive()
    assert [one.error for one in everybody if one.error is not None] == []
    assert set(done["answered"]) == {200}
    for job in jobs:
        job.refresh_from_db()
        assert job.checks == job.events.filter(kind="counted").count() > 0
    assert sum(job.checks for job in jobs) == len(done["written"])

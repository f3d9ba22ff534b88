"""Tests that the clients of the chaos runs repeat requests until they are answered."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.chaos.environment import Installation, Source
from tests.chaos.people import CopyPlan, Person, cancel_late
from tests.duplication.support import a_job

PAGE = "/jobs/1/"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation without running processes."""
    return Installation(tmp_path, seed=1)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The answers that the client gets to its requests, in order."""
    given: list[Any] = []

    def post(person: Person, path: str, form: dict[str, str]) -> Any:
        answer = given.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status_code=answer, headers={"Location": PAGE}, text="")

    monkeypatch.setattr(Person, "_post", post)
    return given


def plan(shortname: str = "CHAOS-0", *, late: bool = False) -> CopyPlan:
    return CopyPlan(Source(7, "SRC", 2), shortname, "A copy", visible=True, cancelled=True, late=late)


def test_cancelling_is_repeated_until_it_is_answered(installation: Installation, answers: list[Any]) -> None:
    answers[:] = [requests.ConnectionError(), 500, 303]
    assert Person(installation).cancel(PAGE)
    answers[:] = [requests.ConnectionError(), 409]
    assert not Person(installation).cancel(PAGE)
    assert answers == []


def test_unwanted_copy_is_cancelled_at_once_or_late(installation: Installation, answers: list[Any]) -> None:
    answers[:] = [500, 303, 303]
    assert Person(installation).request_copy(plan()).confirmed
    answers[:] = [303]
    assert not Person(installation).request_copy(plan(late=True)).confirmed
    assert answers == []


def test_clients_stop_with_the_environment(installation: Installation, answers: list[Any]) -> None:
    installation.stopped.set()
    with pytest.raises(TimeoutError):
        Person(installation).cancel(PAGE)
    assert cancel_late(installation, [plan(late=True)], Event()) == set()


@pytest.mark.django_db
def test_late_cancelling_waits_until_moodle_is_at_work(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, sent, queued = (
        a_job(State.SUCCEEDED, "CHAOS-0"),
        a_job(State.RUNNING, "CHAOS-1", sent_at="2026-01-01T00:00Z"),
        a_job(State.QUEUED, "CHAOS-2", source_id=8),
    )
    pages = []

    def cancel(person: Person, page: str) -> bool:
        pages.append(page)
        DuplicationJob.objects.filter(pk=queued.pk).update(state=State.CHECKING, sent_at="2026-01-01T00:00Z")
        return page == f"/jobs/{sent.pk}/"

    monkeypatch.setattr(Person, "cancel", cancel)
    plans = [plan(job.shortname, late=True) for job in (ended, sent, queued)]
    assert cancel_late(installation, [*plans, plan("CHAOS-3")], Event()) == {"CHAOS-1"}
    assert pages == [f"/jobs/{sent.pk}/", f"/jobs/{queued.pk}/"]

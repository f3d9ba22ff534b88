"""People do not give up: a copy is cancelled when somebody was told so, and else it is known that it was too late."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.chaos.clients import Person, Wish, cancel_late
from tests.chaos.environment import Source, World
from tests.duplication.support import a_job

PAGE = "/jobs/1/"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world of which nothing was started."""
    return World(tmp_path, seed=1)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the web answers to what is sent, one after the other."""
    given: list[Any] = []

    def post(person: Person, path: str, form: dict[str, str]) -> Any:
        answer = given.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status_code=answer, headers={"Location": PAGE}, text="")

    monkeypatch.setattr(Person, "_post", post)
    return given


def wish(shortname: str = "CHAOS-0", *, late: bool = False) -> Wish:
    return Wish(Source(7, "SRC", 2), shortname, "A copy", visible=True, cancelled=True, late=late)


def test_cancelling_is_repeated_until_it_is_answered(world: World, answers: list[Any]) -> None:
    answers[:] = [requests.ConnectionError(), 500, 303]
    assert Person(world).cancel(PAGE)
    answers[:] = [requests.ConnectionError(), 409]
    assert not Person(world).cancel(PAGE)
    assert answers == []


def test_unwanted_copy_is_cancelled_at_once_or_late(world: World, answers: list[Any]) -> None:
    answers[:] = [500, 303, 303]
    assert Person(world).ask_for(wish()).told
    answers[:] = [303]
    assert not Person(world).ask_for(wish(late=True)).told
    assert answers == []


def test_clients_stop_with_the_environment(world: World, answers: list[Any]) -> None:
    world.stopped.set()
    with pytest.raises(TimeoutError):
        Person(world).cancel(PAGE)
    assert cancel_late(world, [wish(late=True)], Event()) == set()


@pytest.mark.django_db
def test_late_cancelling_waits_until_moodle_is_at_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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
    wishes = [wish(job.shortname, late=True) for job in (ended, sent, queued)]
    assert cancel_late(world, [*wishes, wish("CHAOS-3")], Event()) == {"CHAOS-1"}
    assert pages == [f"/jobs/{sent.pk}/", f"/jobs/{queued.pk}/"]

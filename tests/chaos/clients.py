"""Submitting and cancelling through the web, as people do: with a session, a form, and patience."""

import contextlib
import re
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import requests

from tests.chaos.environment import PASSWORD, USER, Source, World


@dataclass(frozen=True)
class Wish:
    """One copy to ask for."""

    source: Source
    shortname: str
    fullname: str
    visible: bool
    cancelled: bool
    # Not at once, but when Moodle is at work on it: then the copy has to be removed.
    late: bool = False
    # Seconds that the person thinks before asking for it.
    pause: float = 0.0
    # Whether the page said in the end that it is cancelled.
    told: bool = False


class Person:
    """Somebody in front of a browser who does not give up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._session = requests.Session()

    def ask_for(self, wish: Wish) -> Wish:
        """Submit until there is a job: a lost answer of the web is looked up by trying again.

        Returns the wish, with what came of cancelling it.
        """
        self._world.stopped.wait(wish.pause)
        form = {
            "source": str(wish.source.id),
            "fullname": wish.fullname,
            "shortname": wish.shortname,
            "category": str(wish.source.category),
            "activities": "on",
            "start": "now",
            # Sources are copied many times into their own category.
            "again": "1",
            # One key for one wish: what was submitted already answers with its job.
            "key": uuid.uuid4().hex,
        } | ({"visible": "on"} if wish.visible else {})
        for answer in self._answers("/jobs/new/", form):
            if answer.status_code == 303:
                at_once = wish.cancelled and not wish.late
                return replace(wish, told=at_once and self.cancel(answer.headers["Location"]))
            if answer.status_code == 422 and "already has this short name" in answer.text:
                raise AssertionError(f"{wish.shortname} was refused: {answer.text}")
        raise TimeoutError(f"{wish.shortname} could not be submitted within three minutes")

    def read(self, path: str) -> str:
        """A page, as it stands in the browser."""
        if "sessionid" not in self._session.cookies:
            self._sign_in()
        answer = self._session.get(f"{self._world.web_url}{path}", timeout=20)
        answer.raise_for_status()
        return answer.text

    def cancel(self, page: str) -> bool:
        """Cancel until there is a word about it; False where it is too late, or was done by an earlier try."""
        for answer in self._answers(f"{page}cancel/", {}):
            if answer.status_code == 409:
                return False
            if answer.status_code == 303 and answer.headers["Location"] == page:
                return True
        raise TimeoutError(f"{page} could not be cancelled within three minutes")

    def _answers(self, path: str, form: dict[str, str]) -> Iterator[requests.Response]:
        """What comes of trying again and again, for three minutes or until the run is over."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and not self._world.stopped.is_set():
            with contextlib.suppress(requests.RequestException):
                yield self._post(path, form)
            self._world.stopped.wait(0.3)

    def _post(self, path: str, form: dict[str, str]) -> requests.Response:
        if "sessionid" not in self._session.cookies:
            self._sign_in()
        page = self._session.get(f"{self._world.web_url}{'/jobs/new/' if path == '/jobs/new/' else path}", timeout=20)
        return self._send(path, form, page.text)

    def _sign_in(self) -> None:
        path = "/sign-in/"
        page = self._session.get(f"{self._world.web_url}{path}", timeout=20)
        self._send(path, {"username": USER, "password": PASSWORD}, page.text)

    def _send(self, path: str, form: dict[str, str], page: str) -> requests.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if token is None:
            raise requests.RequestException("a page without its form")
        return self._session.post(
            f"{self._world.web_url}{path}",
            {**form, "csrfmiddlewaretoken": token.group(1)},
            timeout=40,
            allow_redirects=False,
        )


def cancel_late(world: World, wishes: list[Wish], over: threading.Event) -> set[str]:
    """Cancel when Moodle is at work on what was wished for, until all is ``over``.

    Returns the short names of which somebody was told so.
    """
    from django.db import Error, close_old_connections

    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import TERMINAL

    person = Person(world)
    left, told = {wish.shortname for wish in wishes if wish.cancelled and wish.late}, set()
    while left and not over.wait(0.1) and not world.stopped.is_set():
        jobs = DuplicationJob.objects.filter(shortname__in=left)
        try:
            ended = set(jobs.filter(state__in=TERMINAL).values_list("shortname", flat=True))
            sent = list(jobs.filter(sent_at__isnull=False).exclude(state__in=TERMINAL))
        except Error:
            # The storm has taken the database away.
            close_old_connections()
            continue
        told |= {job.shortname for job in sent if person.cancel(f"/jobs/{job.pk}/")}
        left -= ended | {job.shortname for job in sent}
    return told

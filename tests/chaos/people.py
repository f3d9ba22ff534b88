"""Simulates people who request and cancel copies on the web pages, and repeat a request until it succeeds."""

import contextlib
import re
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import requests

from tests.chaos.environment import PASSWORD, USER, Installation, Source


@dataclass(frozen=True)
class CopyPlan:
    """A copy that a simulated person requests, and whether and when it is cancelled."""

    source: Source
    shortname: str
    fullname: str
    visible: bool
    cancelled: bool
    # Whether to cancel only while Moodle works on the copy, so that dupdash must delete the copy.
    late: bool = False
    # Seconds to wait before the request.
    pause: float = 0.0
    # Whether the page confirmed the cancellation.
    confirmed: bool = False


class Person:
    """A simulated person with a browser, who repeats a request until it succeeds."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._session = requests.Session()

    def request_copy(self, plan: CopyPlan) -> CopyPlan:
        """Submit the form until there is a job, and cancel it if planned. Returns the plan with the confirmation."""
        self._installation.stopped.wait(plan.pause)
        form = {
            "source": str(plan.source.id),
            "fullname": plan.fullname,
            "shortname": plan.shortname,
            "category": str(plan.source.category),
            "activities": "on",
            "start": "now",
            # Sources are copied several times into their own category, so the form asks for this confirmation.
            "again": "1",
            # One key for each plan: a repeated submission is answered with the existing job.
            "key": uuid.uuid4().hex,
        } | ({"visible": "on"} if plan.visible else {})
        for answer in self._answers("/jobs/new/", form):
            if answer.status_code == 303:
                at_once = plan.cancelled and not plan.late
                return replace(plan, confirmed=at_once and self.cancel(answer.headers["Location"]))
            if answer.status_code == 422 and "already has this short name" in answer.text:
                raise AssertionError(f"{plan.shortname} was refused: {answer.text}")
        raise TimeoutError(f"{plan.shortname} could not be submitted within three minutes")

    def read(self, path: str) -> str:
        """Return the HTML of a page."""
        answer = self.open(path)
        answer.raise_for_status()
        return answer.text

    def open(self, path: str) -> requests.Response:
        """Open a page as a signed-in person. Returns the answer, whatever its status."""
        if "sessionid" not in self._session.cookies:
            self._sign_in()
        return self._session.get(f"{self._installation.web_url}{path}", timeout=20)

    def cancel(self, page: str) -> bool:
        """Request the cancellation until the server answers. Returns False if the job can no longer be cancelled."""
        for answer in self._answers(f"{page}cancel/", {}):
            if answer.status_code == 409:
                return False
            if answer.status_code == 303 and answer.headers["Location"] == page:
                return True
        raise TimeoutError(f"{page} could not be cancelled within three minutes")

    def _answers(self, path: str, form: dict[str, str]) -> Iterator[requests.Response]:
        """Yield the answers of repeated requests, for three minutes or until the run is over."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and not self._installation.stopped.is_set():
            with contextlib.suppress(requests.RequestException):
                yield self._post(path, form)
            self._installation.stopped.wait(0.3)

    def _post(self, path: str, form: dict[str, str]) -> requests.Response:
        if "sessionid" not in self._session.cookies:
            self._sign_in()
        page = self._session.get(
            f"{self._installation.web_url}{'/jobs/new/' if path == '/jobs/new/' else path}", timeout=20
        )
        return self._send(path, form, page.text)

    def _sign_in(self) -> None:
        path = "/sign-in/"
        page = self._session.get(f"{self._installation.web_url}{path}", timeout=20)
        self._send(path, {"username": USER, "password": PASSWORD}, page.text)

    def _send(self, path: str, form: dict[str, str], page: str) -> requests.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if token is None:
            raise requests.RequestException("a page without its form")
        return self._session.post(
            f"{self._installation.web_url}{path}",
            {**form, "csrfmiddlewaretoken": token.group(1)},
            timeout=40,
            allow_redirects=False,
        )


def cancel_late(installation: Installation, plans: list[CopyPlan], over: threading.Event) -> set[str]:
    """Cancel each copy that is planned to be cancelled late, as soon as Moodle works on it.

    Stops when the event ``over`` is set. Returns the short names of the copies whose cancellation was confirmed.
    """
    from django.db import Error, close_old_connections

    from dupdash.duplication.models import DuplicationJob
    from dupdash.duplication.states import TERMINAL

    person = Person(installation)
    left, confirmed = {plan.shortname for plan in plans if plan.cancelled and plan.late}, set()
    while left and not over.wait(0.1) and not installation.stopped.is_set():
        jobs = DuplicationJob.objects.filter(shortname__in=left)
        try:
            ended = set(jobs.filter(state__in=TERMINAL).values_list("shortname", flat=True))
            sent = list(jobs.filter(sent_at__isnull=False).exclude(state__in=TERMINAL))
        except Error:
            # The injector has stopped the database.
            close_old_connections()
            continue
        confirmed |= {job.shortname for job in sent if person.cancel(f"/jobs/{job.pk}/")}
        left -= ended | {job.shortname for job in sent}
    return confirmed

"""Submitting and cancelling through the web, as people do: with a session, a form, and patience."""

import re
import time
import uuid
from dataclasses import dataclass

import requests

from tests.chaos.world import PASSWORD, USER, Source, World


@dataclass(frozen=True)
class Wish:
    """One copy to ask for."""

    source: Source
    shortname: str
    fullname: str
    visible: bool
    cancelled: bool
    # Seconds that the person thinks before asking for it.
    pause: float = 0.0


class Person:
    """Somebody in front of a browser who does not give up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._session = requests.Session()

    def ask_for(self, wish: Wish) -> None:
        """Submit until there is a job: a lost answer of the web is looked up by trying again."""
        time.sleep(wish.pause)
        form = {
            "source": str(wish.source.id),
            "fullname": wish.fullname,
            "shortname": wish.shortname,
            "category": str(wish.source.category),
            "activities": "on",
            "start": "now",
            # One key for one wish: what was submitted already answers with its job.
            "key": uuid.uuid4().hex,
        } | ({"visible": "on"} if wish.visible else {})
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                answer = self._post("/jobs/new/", form)
            except requests.RequestException:
                time.sleep(0.3)
                continue
            if answer.status_code == 303:
                if wish.cancelled:
                    self._cancel(answer.headers["Location"])
                return
            if answer.status_code == 422 and "already has this short name" in answer.text:
                raise AssertionError(f"{wish.shortname} was refused: {answer.text}")
            time.sleep(0.3)
        raise TimeoutError(f"{wish.shortname} could not be submitted within three minutes")

    def read(self, path: str) -> str:
        """A page, as it stands in the browser."""
        if "sessionid" not in self._session.cookies:
            self._sign_in()
        answer = self._session.get(f"{self._world.web_url}{path}", timeout=20)
        answer.raise_for_status()
        return answer.text

    def _cancel(self, page: str) -> None:
        try:
            self._post(f"{page}cancel/", {})
        except requests.RequestException:
            return

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

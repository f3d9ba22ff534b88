"""Requests copies from dupdash in three ways: form, command and web service."""

import itertools
import json
import re
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..installation import MANAGE, Installation, call_web_service
from ..processes import ManagedProcess, ProcessGroup
from .browser import Browser, Form, Page
from .copies import CopyRequest, Entrance, Refused
from .settings import Site

USER = "acceptance"
PASSWORD = "acceptance-Passw0rd"
COMMAND_LONGEST = 120.0
# These switches must be set first. When the form is shown again, the switches that need them are enabled.
ROUNDS = 3
BAD_ARGUMENTS = 2
UNPROCESSABLE = 422
# The checkbox that confirms another copy of the same source.
COPY_AGAIN = "again"
_COPY = "core_course_async_duplicate_course"


class Dupdash:
    """The running dupdash: the URL of its web process, and the environment for its commands."""

    def __init__(self, children: ProcessGroup, installation: Installation, api_token: str, site: Site) -> None:
        self._children = children
        self._installation = installation
        self._token = api_token
        # The settings for all copies.
        self._category = site.category
        self._time_zone: ZoneInfo = site.time_zone
        self._browser = Browser()
        self._numbers = itertools.count(1)
        # By short name.
        self.waiting_commands: dict[str, ManagedProcess] = {}

    def ask(self, request: CopyRequest, *, wait: bool = False) -> None:
        """Request a copy. ``wait``: whether a command stays in the background until its copy has ended.

        Raises Refused with dupdash's reason.
        """
        if request.entrance == Entrance.FORM:
            self._ask_form(request)
        elif request.entrance == Entrance.WEB_SERVICE:
            self._ask_web_service(request)
        elif wait:
            self._start_command(request)
        else:
            self._run_command(request)

    @property
    def commands_run(self) -> bool:
        return any(child.status is None for child in self.waiting_commands.values())

    def result(self, job_id: str) -> dict[str, Any]:
        """Return what the web service reports about a job."""
        return self._call(f"{_COPY}_get_result", {"duplicateid": job_id})

    def job_page(self, job_id: str) -> Page:
        return self._open(f"/jobs/{job_id}/")

    # The form

    def _ask_form(self, request: CopyRequest) -> None:
        try:
            page = self._open("/jobs/new/")
            form = page.form_with("source_query")
            form.fill("source_query", str(request.source))
            page = self._browser.press(page, form, "find")
            page, form = self._filled_in(page, request)
        except LookupError as error:
            raise Refused(str(error)) from None
        page = self._browser.press(page, form)
        if page.status == UNPROCESSABLE and page.offers(COPY_AGAIN):
            # The source was already copied to this term, so the form asks whether another copy is wanted.
            page, form = self._filled_in(page, request)
            form.tick(COPY_AGAIN, True)
            page = self._browser.press(page, form)
        if not re.search(r"/jobs/[0-9a-f]{32}/$", page.location):
            raise Refused(f"the form came back with status {page.status}: {page.alerts}")

    def _filled_in(self, page: Page, request: CopyRequest) -> tuple[Page, Form]:
        for _ in range(ROUNDS):
            form = page.form_with("source_query")
            form.fill("fullname", request.fullname)
            form.fill("shortname", request.shortname)
            form.tick("visible", request.visible)
            if request.startdate:
                form.fill("startdate", request.startdate.isoformat())
            for name, value in (("source", request.source), ("category", self._category)):
                if not form.choose(name, str(value)):
                    raise Refused(f"the form offers no {name} {value}. {page.alerts}".strip())
            ticked = [form.tick(name, on) or not on for name, on in request.options.items()]
            if all(ticked):
                return page, form
            page = self._browser.press(page, form, "preview")
        raise Refused(f"the form does not let these options be set: {dict(request.options)}")

    def _open(self, path: str) -> Page:
        url = f"{self._installation.web_url}{path}"
        page = self._browser.open(url)
        if "/sign-in/" in page.location:
            page = self._browser.open(page.location)
            form = page.form_with("username")
            form.fill("username", USER)
            form.fill("password", PASSWORD)
            self._browser.press(page, form)
            page = self._browser.open(url)
        return page

    # The web service

    def _ask_web_service(self, request: CopyRequest) -> None:
        options = {
            f"options[{number}][{name}]": str(int(on)) for number, (name, on) in enumerate(request.options.items())
        }
        names = {"id": str(request.source), "fullname": request.fullname, "shortname": request.shortname}
        more = {"categoryid": str(self._category), "visible": str(int(request.visible))}
        if request.startdate:
            noon = datetime.combine(request.startdate, time(12), tzinfo=self._time_zone)
            more["startdate"] = str(int(noon.timestamp()))
        answer = self._call(_COPY, names | more | options)
        if "duplicateid" not in answer:
            said = (answer.get(key, "") for key in ("errorcode", "message", "debuginfo"))
            raise Refused(" ".join(filter(None, said)))

    def _call(self, function: str, parameters: dict[str, str]) -> dict[str, Any]:
        return dict(json.loads(call_web_service(self._installation.web_url, self._token, function, parameters)))

    # The command

    def _start_command(self, request: CopyRequest) -> None:
        child = self._children.start("manage.py duplicate", self._command(request), self._log())
        self.waiting_commands[request.stored_shortname] = child

    def _run_command(self, request: CopyRequest) -> None:
        child = self._children.start("manage.py duplicate", [*self._command(request), "--no-wait"], self._log())
        if not child.wait(COMMAND_LONGEST):
            raise child.failure(f"did not end within {COMMAND_LONGEST:.0f} seconds")
        self._children.stop(child)
        if child.status == BAD_ARGUMENTS:
            raise Refused(child.output().strip())
        if child.status:
            raise Refused(f"status {child.status}: {child.output().strip()}")

    def _command(self, request: CopyRequest) -> list[str | Path]:
        names = ["--fullname", request.fullname, "--shortname", request.shortname, "--category", str(self._category)]
        options = [word for name, on in request.options.items() for word in ("--option", f"{name}={int(on)}")]
        hidden = [] if request.visible else ["--hidden"]
        dates = ["--startdate", request.startdate.isoformat()] if request.startdate else []
        return [*MANAGE, "duplicate", str(request.source), *names, *options, *hidden, *dates]

    def _log(self) -> Path:
        return self._installation.folder / f"command-{next(self._numbers)}.log"

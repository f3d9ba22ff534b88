"""Tests the web services with clients that are not part of dupdash: moodlepy, and the documented shell example."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from moodle import MoodleException
from moodle.moodle import Moodle as Moodlepy

from dupdash.accounts import tokens
from dupdash.duplication import tasks
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import Background, Moodle, await_until
from tests.gateway.support import DUPLICATE, ENDPOINT, RESULT, SOURCE, STATUS, STATUSES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Gateway:
    url: str
    token: str


@pytest.fixture
def gateway(live_server: Any, administrator: User) -> Gateway:
    _, text = tokens.make(administrator, "somebody's program")
    return Gateway(live_server.url, text)


@pytest.fixture
def worker(moodle: Moodle) -> Iterator[None]:
    """Run the queued jobs, one after the other."""
    over = Event()

    def work() -> None:
        while not over.wait(0.02):
            for job_id in DuplicationJob.objects.filter(state=State.QUEUED).values_list("pk", flat=True):
                tasks.run_job(job_id)

    with Background(work):
        yield
        over.set()


def test_moodlepy_starts_a_copy_and_follows_it(gateway: Gateway, moodle: Moodle) -> None:
    client = Moodlepy(gateway.url + ENDPOINT, gateway.token)
    site = client.core.webservice.get_site_info()
    assert {function.name for function in site.functions} >= {DUPLICATE, STATUS}
    assert site.username == "ada"

    options = [{"name": "users", "value": 1}, {"name": "blocks", "value": 0}]
    parameters = {"id": SOURCE, "fullname": "Biology & more", "shortname": "MP-1", "categoryid": 2, "options": options}
    answer = client(DUPLICATE, **parameters)
    seen = []

    def ended() -> bool:
        seen.append(client(STATUS, duplicateid=answer["duplicateid"]))
        return bool(seen[-1]["status"] >= 900)

    await_until(ended, "the copy to end")
    assert seen[-1] == {"phase": 2, "status": 1000, "progress": 1.0}
    assert [status["progress"] for status in seen] == sorted(status["progress"] for status in seen)
    copy = moodle.course("MP-1")
    assert copy.fullname == "Biology & more"
    assert client(RESULT, duplicateid=answer["duplicateid"])["courseid"] == copy.id
    many = client(STATUSES, duplicateids=[answer["duplicateid"], "0" * 32])
    assert [status["status"] for status in many["statuses"]] == [1000]


def test_moodlepy_understands_errors(gateway: Gateway) -> None:
    client = Moodlepy(gateway.url + ENDPOINT, gateway.token)
    for function, parameters, code in (
        (DUPLICATE, {"id": 99999, "fullname": "x", "shortname": "x", "categoryid": 2}, "invalidcourseid"),
        (DUPLICATE, {"id": SOURCE, "shortname": "x", "categoryid": 2}, "invalidparameter"),
        (STATUS, {"duplicateid": "0" * 32}, "invalidrecord"),
        ("no_such_function", {}, "invalidrecord"),
    ):
        with pytest.raises(MoodleException) as refused:
            client(function, **parameters)
        assert refused.value.errorcode == code
    with pytest.raises(MoodleException) as refused:
        Moodlepy(gateway.url + ENDPOINT, "0" * 32)(STATUS, duplicateid="x")
    assert refused.value.errorcode == "invalidtoken"


def test_documented_shell_example_makes_a_copy(gateway: Gateway, moodle: Moodle) -> None:
    page = (ROOT / "docs/web-services.md").read_text()
    (example,) = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert "curl" in example
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        ["sh", "-eu", "-c", example],
        env={**environment, "SERVICE": gateway.url, "TOKEN": gateway.token},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    status, result = map(json.loads, done.stdout.replace("}{", "}\n{").splitlines())
    assert status == {"phase": 2, "status": 1000, "progress": 1.0}
    copy = moodle.course("BIO101-2027S1")
    assert (result["state"], result["courseid"]) == ("succeeded", copy.id)
    assert copy.fullname == "Introduction to Biology"

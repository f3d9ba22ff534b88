"""Fixtures for the service contract: dupdash, or the server that the environment variables name."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from dupdash.accounts import tokens
from dupdash.duplication import tasks
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.contract.tested_server import COURSES_BY_FIELD, DELETE_COURSES, SITE_INFO, Server
from tests.duplication.fixtures import moodle  # noqa: F401 - fixtures
from tests.duplication.support import Background, Moodle
from tests.service_contract.service import FINISHED_OK, START, Service

HERE = Path(__file__).parent
VARIABLES = ("SERVICE_URL", "SERVICE_TOKEN", "SERVICE_SOURCE", "SERVICE_CATEGORY")
_DESCRIPTION = pytest.StashKey[str]()


def _names_a_server() -> bool:
    return any(os.environ.get(name) for name in VARIABLES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a database only to the tests of dupdash itself."""
    if not _names_a_server():
        for item in items:
            if item.path.parent == HERE:
                item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def real_service(pytestconfig: pytest.Config) -> Service | None:
    """The server that the environment variables name, or None for dupdash with a sandbox."""
    if not _names_a_server():
        return None
    values = [os.environ.get(name, "") for name in VARIABLES]
    url, token, source, category = values
    if not (all(values) and source.isdecimal() and category.isdecimal()):
        raise pytest.UsageError(f"A server needs all of {', '.join(VARIABLES)}; the last two are ids")
    server = Server(url, token, "real")
    info = server.call(SITE_INFO)
    offered = {function["name"] for function in info["functions"]}
    needed = {START, COURSES_BY_FIELD, DELETE_COURSES}
    if not needed <= offered:
        raise pytest.UsageError(f"The token's service needs {', '.join(sorted(needed))}")
    pytestconfig.stash[_DESCRIPTION] = f"{url}, release {info['release']}"
    other_token = os.environ.get("SERVICE_OTHER_TOKEN", "")
    other = replace(server, token=other_token) if other_token else None
    return Service(server, int(source), int(category), other=other, deletes_courses=True)


@pytest.fixture
def service(request: pytest.FixtureRequest, real_service: Service | None) -> Iterator[Service]:
    if real_service is None:
        yield request.getfixturevalue("gateway_service")
        return
    service = replace(real_service, _started=[])
    yield service
    service.remove_copies()


@pytest.fixture
def gateway_service(
    live_server: Any,
    moodle: Moodle,  # noqa: F811
    administrator: User,
    faculty: User,
) -> Iterator[Service]:
    """dupdash's own web services with a sandbox and a worker."""
    tokens.clear_portions()
    one, other = (tokens.make(person, "service contract")[1] for person in (administrator, faculty))
    source = moodle.course("BIO101-2026S1")
    over, may_run = threading.Event(), threading.Lock()

    def work() -> None:
        while not over.wait(0.02):
            with may_run:
                for job_id in DuplicationJob.objects.filter(state=State.QUEUED).values_list("pk", flat=True):
                    tasks.run_job(job_id)

    server = Server(live_server.url, one, "gateway")
    with Background(work):
        yield Service(server, source.id, source.categoryid, other=replace(server, token=other), paused=lambda: may_run)
        over.set()


@pytest.fixture
def other(service: Service) -> Server:
    if service.other is None:
        pytest.skip("needs SERVICE_OTHER_TOKEN")
    return service.other


# Making a copy takes long on a real Moodle, so the tests share one.
@pytest.fixture(scope="session")
def shared_copy(real_service: Service | None) -> Iterator[str]:
    assert real_service is not None
    service = replace(real_service, _started=[])
    yield _finished(service)
    service.remove_copies()


@pytest.fixture
def finished(request: pytest.FixtureRequest, service: Service, real_service: Service | None) -> str:
    """The id of a succeeded duplication."""
    if real_service is None:
        return _finished(service)
    return str(request.getfixturevalue("shared_copy"))


def _finished(service: Service) -> str:
    duplicateid = service.start_one()
    last = service.follow(duplicateid)[-1]
    assert last["status"] == FINISHED_OK, service.result(duplicateid)
    return duplicateid


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if description := config.stash.get(_DESCRIPTION, ""):
        terminalreporter.write_line(f"The service contract was tested with: {description}")

"""Tests outages of Redis and PostgreSQL with two hosts: jobs wait, and no job is lost or made twice."""

import time
from collections.abc import Iterator

import pytest

from tests.chaos.people import CopyPlan
from tests.hosts.installation import SeveralHosts, no_cluster_was_replaced, several_hosts

pytestmark = [pytest.mark.processes]


@pytest.fixture(scope="module")
def running(only_on_postgresql: None) -> Iterator[SeveralHosts]:
    with several_hosts(2) as installation:
        installation.until_clusters_work()
        yield installation


@pytest.fixture
def two_hosts(running: SeveralHosts) -> Iterator[SeveralHosts]:
    yield running
    running.control(release=True)


def plan(installation: SeveralHosts, shortname: str, source: int = 0) -> CopyPlan:
    return CopyPlan(installation.sources()[source], shortname, f"Copy {shortname}", True, False)


def made_once(installation: SeveralHosts, *shortnames: str) -> bool:
    calls = installation.control()["calls"]
    copies = [course["shortname"] for course in installation.courses()]
    return all(calls["asked"][name.casefold()] == 1 and copies.count(name) == 1 for name in shortnames)


def test_heartbeats_run_by_other_hosts_lead_to_no_restart(two_hosts: SeveralHosts) -> None:
    """Heartbeats that other hosts run do not lead to a restart, even after a longer time than may pass without one."""
    limit = float(two_hosts.environment["HEARTBEAT_LIMIT"])
    began = time.monotonic()
    two_hosts.until(lambda: time.monotonic() - began > 1.5 * limit, "a long time")
    no_cluster_was_replaced(two_hosts.hosts)


def test_jobs_are_accepted_and_wait_while_redis_is_away(two_hosts: SeveralHosts) -> None:
    assert two_hosts.redis is not None
    person = two_hosts.person()
    two_hosts.redis.go_away()
    person.request_copy(plan(two_hosts, "WAIT-1"))
    person.request_copy(plan(two_hosts, "WAIT-2", 1))
    assert two_hosts.states()["WAIT-1"] == "queued"
    assert "WAIT-2" in person.read("/jobs/")
    ready = two_hosts.page("/readyz")
    assert (ready.status_code, ready.json()["checks"]["broker"]["passed"]) == (503, False)
    limit = float(two_hosts.environment["HEARTBEAT_LIMIT"])
    began = time.monotonic()
    two_hosts.until(lambda: time.monotonic() - began > 1.2 * limit, "a silence that is too long otherwise")
    two_hosts.redis.start()
    two_hosts.until_all_succeeded()
    assert made_once(two_hosts, "WAIT-1", "WAIT-2")
    no_cluster_was_replaced(two_hosts.hosts)


def test_restart_of_postgresql_loses_no_copy(two_hosts: SeveralHosts) -> None:
    assert two_hosts.postgres is not None
    person = two_hosts.person()
    two_hosts.control(hold=["renamed"])
    person.request_copy(plan(two_hosts, "UNDERWAY"))
    two_hosts.until(lambda: two_hosts.control()["copies"], "the copy to begin")
    person.request_copy(plan(two_hosts, "QUEUED-1"))
    two_hosts.postgres.go_away()
    page = person.open("/jobs/")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "back in a moment" in page.text
    assert two_hosts.page("/healthz").status_code == 200
    two_hosts.control(release=True)
    two_hosts.until(lambda: not two_hosts.control()["copies"], "the end of the copy, which nobody can write down")
    two_hosts.postgres.come_back()
    assert "QUEUED-1" in person.read("/jobs/")
    two_hosts.until_all_succeeded()
    assert made_once(two_hosts, "UNDERWAY", "QUEUED-1")
    no_cluster_was_replaced(two_hosts.hosts)

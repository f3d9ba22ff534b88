"""Tests that no job is lost or made twice if two of four hosts die while they make copies."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import DjangoDbBlocker

from tests.chaos.people import CopyPlan
from tests.hosts.installation import SLOTS, SeveralHosts, no_cluster_was_replaced, several_hosts
from tests.hosts.invariants import JobTimes, broken_rules, passed_over, sent_before_course_seen

pytestmark = [pytest.mark.processes]

COPIES, SOURCES, PEOPLE = 24, 5, 4


@pytest.fixture
def four_hosts(only_on_postgresql: None) -> Iterator[SeveralHosts]:
    with several_hosts(4) as installation:
        yield installation


def test_every_copy_is_made_once_although_two_of_four_hosts_die(
    four_hosts: SeveralHosts, django_db_blocker: DjangoDbBlocker
) -> None:
    four_hosts.control(hold=["renamed"])
    sources = itertools.cycle(four_hosts.sources()[:SOURCES])
    plans = [CopyPlan(next(sources), f"HOST-{number}", f"Copy {number}", True, False) for number in range(COPIES)]
    request_all(four_hosts, plans)
    # A short name of an unfinished job is refused, whichever host runs that job.
    with pytest.raises(AssertionError, match="already has this short name"):
        four_hosts.person().request_copy(plans[0])

    four_hosts.until(lambda: len(four_hosts.control()["copies"]) == SLOTS, "copies in all slots")
    lost = [*four_hosts.hosts_with_leases(), *four_hosts.hosts][:2]
    four_hosts.kill_hosts(*lost)
    four_hosts.control(release=["renamed"])
    four_hosts.until_all_succeeded()

    assert four_hosts.control()["calls"]["most_at_once"] == SLOTS
    assert broken_rules(four_hosts, plans, django_db_blocker) == []
    times = JobTimes.of_all_jobs(four_hosts)
    assert sent_before_course_seen(times) == []
    assert passed_over(times) == []
    assert sum("The process that worked on this copy stopped." in reasons for reasons in four_hosts.reasons()) >= 1
    no_cluster_was_replaced(host for host in four_hosts.hosts if host not in lost)


def request_all(installation: SeveralHosts, plans: list[CopyPlan]) -> None:
    """Request the copies as several people at the same time."""

    def request(some: list[CopyPlan]) -> None:
        person = installation.person()
        for plan in some:
            person.request_copy(plan)

    with ThreadPoolExecutor(PEOPLE) as people:
        list(people.map(request, [plans[first::PEOPLE] for first in range(PEOPLE)]))

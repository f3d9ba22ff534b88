"""Checks the rules that must hold after a run with several hosts, in addition to the checks of the chaos runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import dj_database_url
from django.db import connections
from pytest_django import DjangoDbBlocker

from dupdash.duplication.models import DuplicationJob
from tests.chaos.invariants import violations
from tests.chaos.people import CopyPlan
from tests.hosts.installation import SeveralHosts

ALIAS = "hosts"


def broken_rules(installation: SeveralHosts, plans: list[CopyPlan], blocker: DjangoDbBlocker) -> list[str]:
    """Return the violations that the checks of the chaos runs find."""
    assert installation.postgres is not None
    connections.settings[ALIAS] = connections.settings["default"] | dj_database_url.parse(installation.postgres.url)
    reader = installation.person()
    try:
        with blocker.unblock():
            jobs = list(DuplicationJob.objects.using(ALIAS).prefetch_related("events"))
            calls, courses = installation.control()["calls"], installation.courses()
            return violations(plans, jobs, courses, calls, lambda job: reader.read(f"/jobs/{job.pk}/"))
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.settings[ALIAS]


@dataclass(frozen=True)
class JobTimes:
    """The times at which one job was queued, dispatched and sent, and at which its source was released.

    ``repeated``: the job was dispatched more than once, so the time of the first dispatch is unknown.
    """

    shortname: str
    source: int
    queued_at: datetime
    dispatched_at: datetime
    sent_at: datetime
    source_released_at: datetime
    repeated: bool

    @classmethod
    def of_all_jobs(cls, installation: SeveralHosts) -> "list[JobTimes]":
        """Return the times of all jobs in the order of the queue."""
        said = "".join(host.output for host in installation.hosts)
        columns = "shortname, source_id, queued_at, dispatched_at, sent_at, source_released_at, attempts, id"
        rows = installation.ask(f"SELECT {columns} FROM duplication_duplicationjob ORDER BY queued_at, id")
        return [cls(*row[:6], repeated=row[6] > 1 or f"no worker took job {row[7]}" in said) for row in rows]


def sent_before_course_seen(times: list[JobTimes]) -> list[str]:
    """Return violations of rule 4: a copy was requested before the course of its source's previous copy was seen."""
    found = []
    for job in times:
        found += [
            f"{other.shortname} was sent while {job.shortname} had not been seen"
            for other in times
            if other is not job and other.source == job.source and job.sent_at <= other.sent_at < job.source_released_at
        ]
    return found


# A job is queued, and a source released, at a time that is older than the commit, and a dispatcher reads the queue
# before it takes the time. Whatever was written this shortly before a dispatch may have been invisible to it.
UNCOMMITTED = timedelta(seconds=3)


def passed_over(times: list[JobTimes]) -> list[str]:
    """Return jobs that were passed over in the queue although no other copy blocked their source."""
    found = []
    for place, first in enumerate(times):
        for later in times[place + 1 :]:
            if first.repeated or later.repeated or first.dispatched_at <= later.dispatched_at:
                continue
            if later.dispatched_at < first.queued_at + UNCOMMITTED:
                continue
            if not any(blocks(other, first, later.dispatched_at) for other in times):
                found.append(f"{later.shortname} was dispatched before {first.shortname}")
    return found


def blocks(other: JobTimes, job: JobTimes, at: datetime) -> bool:
    dispatched = other.queued_at if other.repeated else other.dispatched_at
    return other is not job and other.source == job.source and dispatched <= at < other.source_released_at + UNCOMMITTED

"""Creates realistic example data for pages: people, and copies in every state at an invented university.

The rows are as the engine would have written them. The sources are courses of the sandbox.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.accounts.access import Role
from dupdash.duplication.derived_columns import derived_columns
from dupdash.duplication.drivers.preflight import SENT
from dupdash.duplication.models import ClusterHeartbeat, DuplicationJob, JobEvent, MoodleHealth
from dupdash.duplication.queue.dispatch import COPIES
from dupdash.moodle import options
from dupdash.sandbox.records import Course
from dupdash.sandbox.server import Sandbox
from dupdash.web.models import OptionPreset, SavedFilter
from tests.conftest import PASSWORD
from tests.duplication.support import compared, evidence_json

WENT_WRONG = (
    ("partial_course", "Error writing to database (backup_ids_temp is full)"),
    ("shortnametaken", "Short name is already used for another course (Introduction to Biology)"),
    ("nopermissions", "Sorry, but you do not currently have permissions to do that (Restore courses)."),
    ("unreachable", "Connection refused. dupdash tried 9 times."),
)
NOTE = "For the summer school. The quizzes of weeks 3 to 5 will be replaced before the students come."


def _went_wrong(job: DuplicationJob, code: str, message: str) -> None:
    job.failure_code, job.failure_message = code, message
    if code != "unreachable":
        job.moodle_error = {"errorcode": code, "message": message, "debuginfo": ""}


@dataclass
class DemoData:
    administrator: User
    faculty: User
    colleague: User
    help_desk: User
    # The jobs by a word for what is special about each: its state, or a case within a state.
    jobs: dict[str, DuplicationJob] = field(default_factory=dict)
    # The URLs of pages of plans and batches, by what they show.
    rollover: dict[str, str] = field(default_factory=dict)


def person(username: str, role: Role, first: str, last: str) -> User:
    known = User.objects.create_user(username, f"{username}@example.edu", PASSWORD, first_name=first, last_name=last)
    known.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return known


def open_demo_data(sandbox: Sandbox, *, past: int = 160, now: datetime | None = None) -> DemoData:
    """Create all people and jobs. ``past``: the number of copies that have ended in the last ten weeks."""
    campus = DemoData(
        person("ada", Role.ADMINISTRATOR, "Ada", "Lindqvist"),
        # This person is user 4 of the sandbox, who teaches BIO101-2026S1 and other courses.
        person("faculty", Role.FACULTY, "Faith", "Okafor"),
        person("nbakshi", Role.FACULTY, "Nadia", "Bakshi"),
        person("hal", Role.HELP_DESK, "Hal", "Moreau"),
    )
    MoodleHealth.objects.update_or_create(
        id=1,
        defaults={
            "site_name": "Sandbox University",
            "site_url": sandbox.url,
            "release": "4.5.6 (Build: 20250811)",
            "driver": "synchronous",
            "last_response_at": timezone.now(),
            "may_delete": True,
        },
    )
    # The heartbeat is in the future, so that screenshots on a slow machine do not say that no worker is running.
    beat = {"host": "copies-1", "at": timezone.now() + timedelta(hours=1)}
    ClusterHeartbeat.objects.update_or_create(worker_group=COPIES, cluster=COPIES, defaults=beat)
    _Writer(campus, sandbox, now or timezone.now()).write(past)
    OptionPreset.objects.create(name="Everything but people", options=options.effective({}))
    SavedFilter.objects.create(owner=campus.administrator, name="All failures", query="state=failed")
    tokens.make(campus.administrator, "Night import of the timetable", days=90)
    return campus


class _Writer:
    def __init__(self, campus: DemoData, sandbox: Sandbox, now: datetime) -> None:
        self._campus = campus
        self._now = now
        self._chance = random.Random(5)
        self._categories = sandbox.state.categories
        self._sources = [c for c in sandbox.state.courses() if c.id != 1 and c.shortname.endswith(("2026S1", "2026S2"))]
        self._taken: set[str] = set()
        self._jobs: list[DuplicationJob] = []
        self._events: list[JobEvent] = []
        self._next_course = 410

    def write(self, past: int) -> None:
        # These jobs come first, so that they get the names without a number.
        self._campus.jobs |= self._today()
        for number in range(past):
            self._add(self._ended(number, past))
        for job in self._campus.jobs.values():
            self._add(job)
        DuplicationJob.objects.bulk_create(self._jobs)
        JobEvent.objects.bulk_create(self._events)

    def _add(self, job: DuplicationJob) -> None:
        for column, value in derived_columns(job).items():
            setattr(job, column, value)
        self._jobs.append(job)
        self._events += self._story(job)

    # The request

    def _job(self, source: Course, requester: User, minutes: float, **columns: Any) -> DuplicationJob:
        """Return a queued job for a copy to next year, requested this many minutes ago."""
        shortname = source.shortname.replace("2026", "2027")
        number = 2
        while shortname in self._taken:
            shortname = f"{source.shortname.replace('2026', '2027')}-{number}"
            number += 1
        self._taken.add(shortname)
        category = self._coming_term(source)
        created = self._now - timedelta(minutes=minutes)
        given: dict[str, Any] = {
            "state": "queued",
            "requester": requester,
            "origin": "form",
            "source_id": source.id,
            "source_shortname": source.shortname,
            "source_fullname": source.fullname,
            "source_activities": len(source.modules),
            "fullname": f"{source.fullname} (2027)",
            "shortname": shortname,
            "category_id": category,
            "category_name": self._path(category),
            "options": options.effective({}),
            "created_at": created,
            "queued_at": created + timedelta(seconds=1),
        }
        return DuplicationJob(**(given | columns))

    def _coming_term(self, source: Course) -> int:
        here = self._categories[source.categoryid]
        coming = [c for c in self._categories.values() if c.parent == here.parent and c.name.startswith("2027")]
        return coming[0].id if coming else here.id

    def _path(self, category: int) -> str:
        names = []
        while category:
            names.append(self._categories[category].name)
            category = self._categories[category].parent
        return " / ".join(reversed(names))

    def _source(self, shortname: str) -> Course:
        return next(source for source in self._sources if source.shortname == shortname)

    # Jobs that have ended

    def _ended(self, number: int, count: int) -> DuplicationJob:
        chance = self._chance
        days = 70 * (1 - number / count) ** 1.3 + 0.4
        source = self._sources[int(chance.expovariate(1 / 14)) % len(self._sources)]
        requester = chance.choice((self._campus.faculty, self._campus.colleague, self._campus.administrator))
        job = self._job(source, requester, days * 24 * 60)
        state = chance.choices(("succeeded", "failed", "cancelled", "rejected"), (88, 6, 4, 2))[0]
        if state in ("cancelled", "rejected"):
            if state == "rejected":
                job.queued_at = None
            return self._end(job, state, job.created_at + timedelta(hours=2))
        self._send(job, job.created_at + timedelta(seconds=chance.lognormvariate(2.5, 1.3)))
        took = (5 + len(source.modules)) * 0.11 * chance.lognormvariate(0, 0.3)
        if state == "failed":
            _went_wrong(job, *chance.choice(WENT_WRONG[1:]))
            return self._end(job, state, self._after(job, took / 2))
        return self._succeed(job, took)

    def _send(self, job: DuplicationJob, at: datetime) -> None:
        job.state, job.attempts, job.driver, job.phase = "running", 1, "synchronous", "backup"
        job.started_at = job.sent_at = job.last_response_at = at

    def _after(self, job: DuplicationJob, seconds: float) -> datetime:
        assert job.sent_at is not None
        return job.sent_at + timedelta(seconds=seconds)

    def _see(self, job: DuplicationJob, seconds: float) -> None:
        """Record that a lookup showed the new course, so the restore is running."""
        job.course_id, job.proof, job.phase = self._next_course, "seen", "restore"
        self._next_course += 1
        job.restore_at = job.source_released_at = self._after(job, seconds)

    def _succeed(self, job: DuplicationJob, took: float, *, missing: bool = False) -> DuplicationJob:
        self._see(job, took * 0.4)
        size = job.source_activities or 1
        lacks = [{"type": "hotpot", "name": "Warm-up: parts of a cell", "count": 1}] if missing else []
        activities = compared(size, size - len(lacks), missing=lacks)
        job.verification = {
            "complete": not missing,
            "sections": compared(6, 6),
            "activities": activities,
        }
        job.proof, job.content_at = "answered", self._after(job, took * 0.9)
        return self._end(job, "succeeded", self._after(job, took))

    def _end(self, job: DuplicationJob, state: str, at: datetime) -> DuplicationJob:
        job.state, job.finished_at = state, at
        job.last_response_at = at if job.sent_at else None
        return job

    # Jobs of today

    def _today(self) -> Iterator[tuple[str, DuplicationJob]]:
        mine, theirs, admin = self._campus.faculty, self._campus.colleague, self._campus.administrator
        sources = [source for source in self._sources if source.shortname != "BIO101-2026S1"]

        def job(number: int, requester: User, minutes: float, **columns: Any) -> DuplicationJob:
            return self._job(sources[number], requester, minutes, **columns)

        yield "succeeded", self._sent_and(self._succeed, job(0, mine, 190), 7.1)
        incomplete = job(1, theirs, 150)
        self._send(incomplete, incomplete.created_at + timedelta(seconds=4))
        yield "incomplete", self._succeed(incomplete, 8.4, missing=True)
        yield "cancelled", self._end(job(2, mine, 140), "cancelled", self._now - timedelta(minutes=139))
        refused = job(3, mine, 130, queued_at=None)
        yield "rejected", self._end(refused, "rejected", self._now - timedelta(minutes=95))
        yield "failed", self._failed(job(4, mine, 88), *WENT_WRONG[2])
        yield "partial", self._partial(job(5, theirs, 70))
        yield "unresolved", self._unresolved(job(6, theirs, 300))
        retried = self._failed(job(14, mine, 60), *WENT_WRONG[3])
        retried.is_retried = True
        yield "retried", retried
        yield "again", self._sent_and(self._succeed, job(14, mine, 50, retry_of=retried), 6.2)
        assigned = self._failed(job(15, theirs, 200), *WENT_WRONG[1])
        assigned.assignee, assigned.assignee_note = self._campus.help_desk, "asked the teacher, waits"
        yield "assigned", assigned
        checking = job(7, admin, 6)
        self._send(checking, self._now - timedelta(minutes=5))
        checking.state, checking.checks, checking.checking_since = "checking", 7, self._now - timedelta(minutes=3)
        checking.expected_backup, checking.expected_restore = 30.0, 45.0
        checking.last_response_at, checking.check_at = (
            self._now - timedelta(seconds=9),
            self._now + timedelta(seconds=40),
        )
        yield "checking", checking
        running = self._job(self._source("BIO101-2026S1"), mine, 1.5)
        self._send(running, self._now - timedelta(seconds=64))
        self._see(running, 31)
        running.last_response_at = self._now - timedelta(seconds=2)
        running.expected_backup, running.expected_restore = 32.0, 55.0
        yield "running", running
        unknown = job(8, theirs, 0.7)
        self._send(unknown, self._now - timedelta(seconds=20))
        yield "unknown", unknown
        leaving = job(9, mine, 2.5, cancel_requested_at=self._now - timedelta(seconds=50))
        self._send(leaving, self._now - timedelta(seconds=120))
        yield "leaving", leaving
        yield "queued", job(10, admin, 0.4)
        tonight = (self._now + timedelta(hours=9)).replace(minute=0, second=0, microsecond=0)
        yield "scheduled", job(11, theirs, 45, not_before=tonight)
        waits = {"state": "awaiting_approval", "queued_at": None}
        yield "awaiting_approval", job(12, mine, 33, note=NOTE, **waits)
        with_people = options.effective({"users": True, "enrolments": True, "role_assignments": True})
        yield "with_people", job(13, theirs, 21, options=with_people, visible=False, **waits)

    def _sent_and(self, then: Any, job: DuplicationJob, took: float) -> DuplicationJob:
        self._send(job, job.created_at + timedelta(seconds=4))
        ended: DuplicationJob = then(job, took)
        return ended

    def _failed(self, job: DuplicationJob, code: str, message: str) -> DuplicationJob:
        self._send(job, job.created_at + timedelta(seconds=3))
        _went_wrong(job, code, message)
        return self._end(job, "failed", self._after(job, 1.2))

    def _partial(self, job: DuplicationJob) -> DuplicationJob:
        self._send(job, job.created_at + timedelta(seconds=3))
        self._see(job, 9)
        _went_wrong(job, *WENT_WRONG[0])
        job.checking_since = self._after(job, 12)
        names = {"shortname": f"{job.source_shortname}_1", "fullname": f"{job.source_fullname} copy 1"}
        job.evidence = evidence_json({"id": job.course_id, "category_id": job.category_id, **names}, own=job.course_id)
        return self._end(job, "failed", self._after(job, 421))

    def _unresolved(self, job: DuplicationJob) -> DuplicationJob:
        self._send(job, job.created_at + timedelta(seconds=3))
        job.state, job.checks, job.checking_since = "unresolved", 94, job.created_at
        names = {"shortname": f"{job.source_shortname}_1", "fullname": f"{job.source_fullname} copy 1"}
        job.evidence = evidence_json({"id": 398, "visible": False, "category_id": job.category_id, **names})
        job.last_response_at, job.check_at = self._now - timedelta(minutes=52), self._now + timedelta(hours=3)
        return job

    # The timeline of a job

    def _story(self, job: DuplicationJob) -> Iterator[JobEvent]:
        first = "queued" if job.queued_at and job.requester == self._campus.administrator else "awaiting_approval"
        state = ""

        def told(at: datetime, kind: str, to: str, reason: str, **more: Any) -> JobEvent:
            nonlocal state
            event = JobEvent(job=job, at=at, kind=kind, from_state=state, to_state=to, reason=reason, **more)
            state = to
            return event

        admin = self._campus.administrator
        words = "Queued." if first == "queued" else "Waits for approval."
        yield told(job.created_at, "submitted", first, words, actor=job.requester)
        if job.state == "rejected" and job.finished_at:
            why = "This course was copied for the same term last week: please use that copy, or tell me why not."
            yield told(job.finished_at, "rejected", "rejected", why, actor=admin)
        if job.queued_at and state != "queued":
            yield told(job.queued_at, "approved", "queued", "Approved.", actor=admin)
        if job.sent_at:
            yield told(job.sent_at, "started", "running", "A worker claimed the job.")
            yield told(job.sent_at, "sent", "running", SENT)
        if job.restore_at:
            found = f"The backup is done. The copy appeared in Moodle: id {job.course_id}."
            yield told(job.restore_at, "course_seen", "running", found)
        if job.cancel_requested_at:
            later = (
                "Cancelled. Moodle cannot stop a copy that it has started. dupdash deletes the copy when Moodle has "
                "finished it."
            )
            yield told(job.cancel_requested_at, "cancel_requested", state, later, actor=job.requester)
        if job.checking_since:
            lost = f"No trustworthy answer arrived from Moodle: {job.failure_message or 'the connection broke off'}."
            lost += " dupdash checks in Moodle whether the copy was made."
            yield told(self._after(job, 118 if not job.finished_at else 12), "checking", "checking", lost)
        if job.state == "unresolved":
            looked = (
                f"dupdash checked {job.checks} times whether Moodle has a course called “{job.fullname}” "
                f"({job.shortname}), and found no proof that the copy was made, nor that it was not made."
            )
            yield told(self._after(job, 1900), "unresolved", "unresolved", looked)
        ended = job.finished_at
        if ended is None or job.state == "rejected":
            return
        if job.state == "succeeded":
            yield told(ended, "succeeded", "succeeded", f"The copy is complete: course {job.course_id}.")
        elif job.state == "failed":
            why = f"Moodle did not make this copy: {job.failure_message}"
            if course := job.own_course:
                left = f"id {job.course_id}, “{course['fullname']}” ({course['shortname']})"
                why = f"Moodle stopped in the middle of the copy and left a partial course: {left}, not hidden."
            said = {"errorcode": job.failure_code, "message": job.failure_message}
            yield told(ended, "failed", "failed", why, data=said)
        else:
            before = "Cancelled before the copy was started."
            yield told(ended, "cancelled", "cancelled", before, actor=job.requester)

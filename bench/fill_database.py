"""A year of copies, made up: rows and events as the engine would have written them. The same number, the same year."""

import math
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from dupdash.duplication.models import DuplicationJob, JobEvent

SUBJECTS = (
    "Biology", "Organic Chemistry", "Linear Algebra", "Modern History", "Ökologie der Alpen", "Psychologie sociale",
    "Řízení projektů", "Microeconomics", "Δημόσια Υγεία", "Nursing Practice", "R&D <Methods>", "Statistics",
)  # fmt: skip
FIRST_NAMES = ("Maria", "Jürgen", "Zoë", "Ngozi", "Anders", "Łucja", "Wei", "Fatima", "Pål", "Irene")
LAST_NAMES = ("Müller", "Okafor", "Sørensen", "Nowak", "García", "O’Neill", "Zhang", "Haddad", "Brown", "Þórsdóttir")
CATEGORIES = ((2, "Science"), (3, "Science / Biology"), (4, "Humanities"), (5, "Health / Nursing"), (6, "Économie"))
FAILURES = (
    ("shortnametaken", "Short name is already used for another course (BIO101)", 8),
    ("partial_course", "Error writing to database", 5),
    ("nopermissions", "Sorry, but you do not currently have permissions to do that (Back up courses)", 4),
    ("unreachable", "Connection refused. Tried 9 times.", 3),
    ("invalidcourseid", "You are trying to use an invalid course ID", 2),
    ("ddltablenotexist", "Die Tabelle „backup_ids_temp“ gibt es nicht", 1),
)
ENDED = (("succeeded", 86), ("failed", 8), ("cancelled", 4), ("rejected", 2))
SOURCES = 300


def people(count: int = 60) -> "list[User]":
    from django.contrib.auth.models import Group, User

    from dupdash.accounts.access import Role

    made = []
    for number in range(count):
        first, last = FIRST_NAMES[number % 10], LAST_NAMES[(number * 7 + number // 10) % 10]
        made.append(User.objects.create(username=f"person{number}", first_name=first, last_name=last))
    Group.objects.get_or_create(name=Role.FACULTY)[0].user_set.add(*made)
    return made


def fill(count: int, requesters: "list[User]", now: datetime, *, seed: int = 1) -> None:
    """``count`` jobs with their events; the latest of them still under way."""
    from dupdash.duplication.models import DuplicationJob, JobEvent

    chance = random.Random(seed)
    activities = [int(chance.lognormvariate(3.6, 0.9)) + 1 for _ in range(SOURCES)]
    jobs: list[DuplicationJob] = []
    events: list[JobEvent] = []
    for number in range(count):
        job = _job(number, count, requesters, now, chance, activities)
        jobs.append(job)
        events += _events(job)
    DuplicationJob.objects.bulk_create(jobs, batch_size=200)
    JobEvent.objects.bulk_create(events, batch_size=500)


def _job(
    number: int, count: int, requesters: "list[User]", now: datetime, chance: random.Random, activities: list[int]
) -> "DuplicationJob":
    from dupdash.duplication.models import DuplicationJob, search_text, short_name_key

    # More of them lately, and on working days in working hours.
    age = timedelta(days=365 * (1 - number / count) ** 1.4)
    created = now - age
    if age > timedelta(days=1):
        created = created.replace(
            hour=chance.choice((8, 9, 9, 10, 11, 13, 14, 15, 16, 20)), minute=chance.randrange(60)
        )
        created -= timedelta(days=max(0, created.weekday() - 4) if chance.random() < 0.9 else 0)
    source = min(SOURCES - 1, int(chance.expovariate(1 / 60)))
    subject = SUBJECTS[source % len(SUBJECTS)]
    category = chance.choice(CATEGORIES)
    shortname = f"{subject[:3].upper()}{100 + source}-{created:%Y}S{1 + number % 2}-{number}"
    job = DuplicationJob(
        id=uuid.UUID(int=chance.getrandbits(128), version=4).hex,
        requester=None if number % 50 == 0 else requesters[int(chance.random() ** 2 * len(requesters))],
        origin="form" if number % 50 else "command",
        source_id=1000 + source,
        source_shortname=f"{subject[:3].upper()}{100 + source}",
        source_fullname=f"{subject} {100 + source}",
        source_activities=activities[source],
        fullname=f"{subject} {100 + source}, {created:%Y} group {number}",
        shortname=shortname,
        shortname_key=short_name_key(shortname),
        category_id=category[0],
        category_name=category[1],
        options={"activities": True, "blocks": True, "filters": True, "users": number % 17 == 0}
        | dict.fromkeys(
            ("enrolments", "role_assignments", "comments", "userscompletion", "logs", "grade_histories"), False
        ),
        created_at=created,
        queued_at=created + timedelta(seconds=1),
    )
    _live(job, number, count, now, chance)
    job.search_text = search_text(job)
    return job


def _live(job: "DuplicationJob", number: int, count: int, now: datetime, chance: random.Random) -> None:
    left = count - number
    if left <= 14:
        job.state = "queued" if left > 8 else "awaiting_approval" if left > 4 else "running"
    elif left in (40, 400):
        job.state = "unresolved"
    else:
        job.state = chance.choices([state for state, _ in ENDED], [weight for _, weight in ENDED])[0]
    if job.state == "awaiting_approval":
        job.queued_at = None
    if job.state == "rejected":
        job.queued_at, job.finished_at = None, job.created_at + timedelta(hours=3)
        return
    if job.state in ("queued", "awaiting_approval"):
        return
    assert job.queued_at is not None
    job.attempts = 1
    job.started_at = job.sent_at = min(now, job.queued_at + timedelta(seconds=chance.lognormvariate(2.5, 1.6)))
    job.driver, job.phase = "synchronous", "backup"
    job.baseline = {"names": [f"{job.source_shortname}_{n}" for n in range(1, 5)], "present": []}
    if job.state == "running":
        job.expected_backup, job.expected_restore = 30.0, 60.0
        return
    size = job.source_activities or 1
    seconds = (5 + size) * 0.12 * math.exp(chance.gauss(0, 0.35))
    if job.state == "unresolved":
        job.checking_since = job.started_at
        return
    job.finished_at = job.started_at + timedelta(seconds=seconds)
    job.facts = {"course_id": 20000 + number}
    if job.state == "succeeded":
        job.phase, job.course_id, job.proof = "restore", 20000 + number, "answered"
        job.seen_at = job.restore_at = job.started_at + timedelta(seconds=seconds / 3)
        counts = {"source": size, "copy": size, "missing": [], "extra": []}
        job.verification = {"complete": True, "sections": counts, "activities": counts}
        if number % 100 == 0:
            job.checking_since = job.started_at
    if job.state == "failed":
        code, message, _ = chance.choices(FAILURES, [weight for *_, weight in FAILURES])[0]
        job.failure_code, job.failure_message = code, message
        if code == "partial_course" and number % 3 == 0:
            job.course_id, job.proof = 20000 + number, "seen"


def _events(job: "DuplicationJob") -> "Iterator[JobEvent]":
    from dupdash.duplication.models import JobEvent

    def told(at: Any, kind: str, from_state: str, to_state: str, reason: str) -> JobEvent:
        return JobEvent(job=job, at=at, kind=kind, from_state=from_state, to_state=to_state, reason=reason)

    first = "queued" if job.queued_at else "awaiting_approval"
    yield told(job.created_at, "submitted", "", first, "Queued." if job.queued_at else "Waits for approval.")
    before = first
    if job.started_at:
        yield told(job.started_at, "started", "queued", "running", "A worker took the job.")
        yield told(job.started_at, "sent", "running", "running", "The request was sent to Moodle.")
        yield told(job.started_at, "seen", "running", "running", "The backup of the source was seen in Moodle.")
        before = "running"
    if job.state == "unresolved":
        yield told(job.started_at, "checking", "running", "checking", "Moodle's answer was lost.")
        before = "checking"
    if job.state != before:
        yield told(job.finished_at or job.created_at, job.state, before, job.state, f"The job is {job.state}.")

"""Fills a database with generated jobs and events of a year, as the engine would have written them.

The same number of jobs always gives the same rows. Rows are inserted by COPY (PostgreSQL) or executemany (SQLite)
without secondary indexes, which are created afterwards. So a million jobs with five million events take minutes.
"""

import math
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import Model

    from dupdash.duplication.models import DuplicationJob, JobEvent

Values = list[Any]

SUBJECTS = (
    "Biology", "Organic Chemistry", "Linear Algebra", "Modern History", "Ökologie der Alpen", "Psychologie sociale",
    "Řízení projektů", "Microeconomics", "Δημόσια Υγεία", "Nursing Practice", "R&D <Methods>", "Statistics",
)  # fmt: skip
FIRST_NAMES = ("Maria", "Jürgen", "Zoë", "Ngozi", "Anders", "Łucja", "Wei", "Fatima", "Pål", "Irene")
LAST_NAMES = ("Müller", "Okafor", "Sørensen", "Nowak", "García", "O’Neill", "Zhang", "Haddad", "Brown", "Þórsdóttir")
CATEGORIES = (
    (2, "Science"), (3, "Science / Biology"), (4, "Humanities"), (5, "Health / Nursing"), (6, "Économie"),
    *((10 + number, f"Department {number}") for number in range(95)),
)  # fmt: skip
FAILURES = (
    ("shortnametaken", "Short name is already used for another course (BIO101)", 8),
    ("partial_course", "Error writing to database", 5),
    ("nopermissions", "Sorry, but you do not currently have permissions to do that (Back up courses)", 4),
    ("unreachable", "Connection refused. dupdash tried 9 times.", 3),
    ("invalidcourseid", "You are trying to use an invalid course ID", 2),
    ("ddltablenotexist", "Die Tabelle „backup_ids_temp“ gibt es nicht", 1),
)
ENDED = (("succeeded", 86), ("failed", 8), ("cancelled", 4), ("rejected", 2))
NO_DIFFERENCES: dict[str, Any] = {"missing": [], "more_missing": 0, "extra": [], "more_extra": 0}
SOURCES = 3000
PATTERN = 10_000
# The placeholder for the number of a job in the names of a pattern.
NUMBER = "98765432"


def people(count: int = 600) -> "list[User]":
    from django.contrib.auth.models import Group, User

    from dupdash.accounts.access import Role

    made = []
    for number in range(count):
        first, last = FIRST_NAMES[number % 10], LAST_NAMES[(number * 7 + number // 10) % 10]
        # One requester with an average number of copies has a password, so that the benchmark can sign in.
        username = "faculty" if number == count // 4 else f"person{number}"
        made.append(User(username=username, first_name=first, last_name=last, email=f"{username}@example.edu"))
    User.objects.bulk_create(made)
    Group.objects.get_or_create(name=Role.FACULTY)[0].user_set.add(*made)
    return made


def fill(count: int, requesters: "list[User]", now: datetime, *, seed: int = 1) -> None:
    """Insert ``count`` jobs with their events. The latest jobs are unfinished."""
    from django.db import connection, transaction

    from dupdash.duplication import planner_statistics, search_index
    from dupdash.duplication.models import DuplicationJob, JobEvent

    with connection.schema_editor() as editor:
        for model in (DuplicationJob, JobEvent):
            for index in model._meta.indexes:
                editor.remove_index(model, index)
    with connection.cursor() as cursor:
        search_index.drop_search_index(cursor, connection.vendor)
    with transaction.atomic():
        for jobs, job_rows, events, event_rows in _portions(count, requesters, now, seed):
            _insert(jobs, job_rows)
            _insert(events, event_rows)
    with connection.schema_editor() as editor:
        for model in (DuplicationJob, JobEvent):
            for index in model._meta.indexes:
                editor.add_index(model, index)
    search_index.create_search_index(connection)
    # The work of autovacuum and of the daily housekeeping.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    planner_statistics.update_statistics(connection)


@dataclass(frozen=True)
class Pattern:
    """Example rows as the database stores them, from which many rows with other ids, times and numbers are made."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[Values, ...]
    moments: tuple[int, ...]
    ids: tuple[int, ...]
    texts: tuple[int, ...]

    @classmethod
    def of(cls, model: "type[Model]", rows: "Sequence[Model]", ids: set[str], texts: set[str]) -> "Pattern":
        from django.db import connection
        from django.db.models import AutoField, DateTimeField

        fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
        moments = [isinstance(field, DateTimeField) for field in fields]
        prepared = tuple(
            [
                getattr(row, field.attname)
                if is_moment
                else field.get_db_prep_save(getattr(row, field.attname), connection)
                for field, is_moment in zip(fields, moments, strict=True)
            ]
            for row in rows
        )
        places = {field.column: place for place, field in enumerate(fields)}
        return cls(
            model._meta.db_table,
            tuple(places),
            prepared,
            tuple(place for place, is_moment in enumerate(moments) if is_moment),
            tuple(places[name] for name in ids),
            tuple(places[name] for name in texts),
        )

    def copies(self, new_ids: dict[str, str], numbers: dict[str, str], shift: timedelta) -> Iterator[Values]:
        """Yield new rows for the jobs in ``new_ids``. ``numbers``: the number of each job, by its old id."""
        from django.db import connection

        as_text = connection.vendor == "sqlite"
        job = self.ids[0]
        for row in self.rows:
            if (old := row[job]) not in new_ids:
                continue
            new = row.copy()
            for place in self.ids:
                new[place] = new_ids.get(row[place])
            for place in self.moments:
                if (moment := row[place]) is not None:
                    new[place] = str((moment - shift).replace(tzinfo=None)) if as_text else moment - shift
            for place in self.texts:
                new[place] = row[place].replace(NUMBER, numbers[old])
            yield new


def _portions(
    count: int, requesters: "list[User]", now: datetime, seed: int
) -> "Iterator[tuple[Pattern, Iterator[Values], Pattern, Iterator[Values]]]":
    """Yield the pattern of a whole year, and copies of it, each with earlier times than the one before."""
    from dupdash.duplication.models import DuplicationJob, JobEvent

    chance = random.Random(seed)
    activities = [int(chance.lognormvariate(3.6, 0.9)) + 1 for _ in range(SOURCES)]
    jobs: list[DuplicationJob] = []
    events: list[JobEvent] = []
    last_failed: DuplicationJob | None = None
    size = min(count, PATTERN)
    for number in range(size):
        job = _job(number, size, requesters, now, chance, activities)
        if job.state == "failed":
            last_failed = job
        elif number % 30 == 0 and last_failed is not None:
            last_failed.is_retried, job.retry_of_id, last_failed = True, last_failed.pk, None
        jobs.append(job)
        events += _events(job)
    job_rows = Pattern.of(DuplicationJob, jobs, {"id"}, {"shortname", "shortname_key", "fullname", "search_text"})
    job_rows = replace(job_rows, ids=(*job_rows.ids, job_rows.columns.index("retry_of_id")))
    event_rows = Pattern.of(JobEvent, events, {"job_id"}, set())
    for copy in range(-(-count // size)):
        # Unfinished jobs are inserted only once, because they reserve their short names and sources.
        kept = [job for job in jobs if not copy or job.finished_at is not None]
        new_ids = {job.pk: uuid.UUID(int=chance.getrandbits(128), version=4).hex for job in kept}
        numbers = {job.pk: str(copy * size + place) for place, job in enumerate(jobs)}
        shift = copy * timedelta(minutes=17)
        yield (
            job_rows,
            job_rows.copies(new_ids, numbers, shift),
            event_rows,
            event_rows.copies(new_ids, numbers, shift),
        )


def _insert(pattern: Pattern, rows: Iterator[Values]) -> None:
    """Insert rows without the ORM, which would need a statement for every 999 values."""
    from django.db import connection

    columns = ", ".join(connection.ops.quote_name(column) for column in pattern.columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {pattern.table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join("%s" for _ in pattern.columns)
            cursor.executemany(f"INSERT INTO {pattern.table} ({columns}) VALUES ({places})", rows)


def _job(
    number: int, count: int, requesters: "list[User]", now: datetime, chance: random.Random, activities: list[int]
) -> "DuplicationJob":
    from dupdash.duplication.derived_columns import derived_columns
    from dupdash.duplication.models import DuplicationJob

    # Most jobs are recent and were requested on working days in working hours.
    age = timedelta(days=365 * (1 - number / count) ** 1.4)
    created = now - age
    if age > timedelta(days=1):
        created = created.replace(
            hour=chance.choice((8, 9, 9, 10, 11, 13, 14, 15, 16, 20)), minute=chance.randrange(60)
        )
        created -= timedelta(days=max(0, created.weekday() - 4) if chance.random() < 0.9 else 0)
    source = min(SOURCES - 1, int(chance.expovariate(5 / SOURCES)))
    subject = SUBJECTS[source % len(SUBJECTS)]
    category = chance.choice(CATEGORIES)
    shortname = f"{subject[:3].upper()}{100 + source}-{created:%Y}S{1 + number % 2}-{NUMBER}"
    job = DuplicationJob(
        id=uuid.UUID(int=chance.getrandbits(128), version=4).hex,
        requester=None if number % 50 == 0 else requesters[int(chance.random() ** 2 * len(requesters))],
        origin="form" if number % 50 else "command",
        source_id=1000 + source,
        source_shortname=f"{subject[:3].upper()}{100 + source}",
        source_fullname=f"{subject} {100 + source}",
        source_activities=activities[source],
        fullname=f"{subject} {100 + source}, {created:%Y} group {NUMBER}",
        shortname=shortname,
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
    for column, value in derived_columns(job).items():
        setattr(job, column, value)
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
    job.evidence = {"course_id": 20000 + number}
    if job.state == "succeeded":
        job.phase, job.course_id, job.proof = "restore", 20000 + number, "answered"
        job.restore_at = job.source_released_at = job.started_at + timedelta(seconds=seconds / 3)
        counts = {"source": size, "expected": size, "copy": size, "matched": size, **NO_DIFFERENCES}
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
        yield told(job.started_at, "started", "queued", "running", "A worker claimed the job.")
        yield told(job.started_at, "sent", "running", "running", "The request was sent to Moodle.")
        yield told(job.started_at, "seen", "running", "running", "The backup of the source was seen in Moodle.")
        before = "running"
    if job.state == "unresolved":
        yield told(job.started_at, "checking", "running", "checking", "Moodle's answer was lost.")
        before = "checking"
    if job.state != before:
        yield told(job.finished_at or job.created_at, job.state, before, job.state, f"The job is {job.state}.")

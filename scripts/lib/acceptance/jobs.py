"""Reads the jobs of an acceptance run directly from the database of dupdash, without Moodle and without pages."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from .copies import ENDED, Event, Job

_JOBS = """SELECT id, shortname, state, sent_at IS NOT NULL, course_id, failure_code, failure_message
           FROM duplication_duplicationjob"""
_EVENTS = "SELECT job_id, at, kind, from_state, to_state, reason FROM duplication_jobevent ORDER BY id"


def read_jobs(database: Path) -> dict[str, Job]:
    """Return all jobs by their short name. A run requests each short name once."""
    with _connection(database) as connection:
        events = defaultdict(list)
        for job_id, at, *event in connection.execute(_EVENTS):
            events[job_id].append(Event(datetime.fromisoformat(at).replace(tzinfo=UTC), *event))
        return {
            shortname: Job(
                id, shortname, state, bool(sent), course_id, f"{code}: {message}".strip(": "), tuple(events[id])
            )
            for id, shortname, state, sent, course_id, code, message in connection.execute(_JOBS)
        }


def count_unfinished(database: Path) -> int:
    marks = ",".join("?" * len(ENDED))
    query = f"SELECT COUNT(*) FROM duplication_duplicationjob WHERE state NOT IN ({marks})"
    with _connection(database) as connection:
        return int(connection.execute(query, sorted(ENDED)).fetchone()[0])


@contextmanager
def _connection(database: Path) -> Iterator[sqlite3.Connection]:
    # With isolation_level None, reading does not begin a transaction.
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        yield connection

"""Writes the list of copies as a CSV file."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db.models import F

from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth
from dupdash.duplication.states import State
from dupdash.web.csv_files import Cell, with_zone
from dupdash.web.job_list.choices import cause_of
from dupdash.web.job_list.orders import Order
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.plugin_report import link_to_source, missing_line

ROWS_AT_ONCE = 500
# The maximum length of a spreadsheet cell.
CELL_LONGEST = 32_000
# A heading, and what the column contains for a job.
Column = tuple[str, Callable[[DuplicationJob], Cell]]


def columns(*, raw: bool) -> list[Column]:
    """Return the columns of the file.

    ``raw`` adds Moodle's error messages, for administrators and the help desk.
    """
    found: list[Column] = [
        ("Job", lambda job: job.pk),
        ("State", lambda job: State(job.state).label),
        ("Full name", lambda job: job.fullname),
        ("Short name", lambda job: job.shortname),
        ("Course id", lambda job: job.course_id),
        ("Source id", lambda job: job.source_id),
        ("Source short name", lambda job: job.source_shortname),
        ("Source full name", lambda job: job.source_fullname),
        ("Category id", lambda job: job.category_id),
        ("Category", lambda job: job.category_name),
        ("Visible", lambda job: "yes" if job.visible else "no"),
        ("Options", lambda job: job.chosen_options),
        ("Requested by", requester_of),
        ("Origin", lambda job: job.get_origin_display()),
        (with_zone("Requested"), lambda job: job.created_at),
        (with_zone("Queued"), lambda job: job.queued_at),
        (with_zone("Started"), lambda job: job.started_at),
        (with_zone("Finished"), lambda job: job.finished_at),
        ("Duration (seconds)", _seconds),
        ("Attempts", lambda job: job.attempts),
        ("Start date", lambda job: job.startdate.isoformat() if job.startdate else ""),
        ("End date", lambda job: job.enddate.isoformat() if job.enddate else ""),
        ("ID number", lambda job: job.idnumber),
        ("Not in the copy", _missing),
        ("Links to the source", _links),
        ("Activity ids (source>copy)", _activity_ids),
        ("Retry of job", lambda job: job.retry_of_id),
        ("Compared with its source", _comparison),
        ("Cause of failure", lambda job: cause_of(job.failure_code) if job.state == State.FAILED else ""),
    ]
    if raw:
        found += [
            ("Error code", lambda job: job.failure_code),
            ("Moodle’s message", lambda job: job.failure_message),
        ]
    return found


def lines(jobs: JobQuerySet, order: Order, chosen: Sequence[Column]) -> Iterator[list[Cell]]:
    """Yield the lines of the jobs in ``order``. Large columns that the file does not need are not read."""
    jobs = (
        jobs.select_related("requester")
        .annotate(is_compared=F("verification__complete"), why_not_compared=F("verification__why_not"))
        .defer("baseline", "evidence", "verification", "search_text")
    )
    for part in order.parts:
        for job in part.sorted(jobs).iterator(chunk_size=ROWS_AT_ONCE):
            yield [content(job) for _, content in chosen]


def _seconds(job: DuplicationJob) -> float | None:
    took = job.elapsed() if job.finished_at else None
    return round(took.total_seconds(), 3) if took is not None else None


def _comparison(job: DuplicationJob) -> str:
    """Return how a copy compares with its source: "same", "differs", "not possible", or "" before the comparison."""
    if job.differs:
        return "differs"
    if job.is_compared is None:  # type: ignore[attr-defined]
        return ""
    return "not possible" if job.why_not_compared else "same"  # type: ignore[attr-defined]


def _missing(job: DuplicationJob) -> str:
    return "; ".join(missing_line(one) for one in _reported(job, "missing"))


def _links(job: DuplicationJob) -> str:
    # An empty MoodleHealth, because the page of an activity is not in the file, and its URL would need a query.
    found = (link_to_source(one, MoodleHealth()) for one in _reported(job, "pointing"))
    return "; ".join(f"{one.what}: {one.name} {one.target}" for one in found)


def _activity_ids(job: DuplicationJob) -> str:
    found = (f"{one['modname']} {one['oldcmid']}>{one['newcmid']}" for one in _reported(job, "activities"))
    return " ".join(found)[:CELL_LONGEST]


def _reported(job: DuplicationJob, part: str) -> list[dict[str, Any]]:
    """Return a part of the plugin's report on the copy, such as "missing"; empty if there is no report."""
    report: dict[str, list[dict[str, Any]]] | None = job.moodle_report
    return report[part] if report is not None else []

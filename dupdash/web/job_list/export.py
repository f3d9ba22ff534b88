"""Writes the list of copies as a CSV file."""

from collections.abc import Iterator

from django.db.models import F

from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth
from dupdash.duplication.states import State
from dupdash.web.csv_files import Cell, with_zone
from dupdash.web.job_list.choices import cause_of
from dupdash.web.job_list.orders import Order
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.moodle_report import report_of

AT_A_TIME = 500
# The maximum length of a spreadsheet cell.
CELL_LONGEST = 32_000


def heads(*, raw: bool) -> list[str]:
    """Return the headings of the columns.

    ``raw`` adds Moodle's error messages, for administrators and the help desk.
    """
    return [
        "Job",
        "State",
        "Full name",
        "Short name",
        "Course id",
        "Source id",
        "Source short name",
        "Source full name",
        "Category id",
        "Category",
        "Visible",
        "Options",
        "Requested by",
        "Origin",
        with_zone("Requested"),
        with_zone("Queued"),
        with_zone("Started"),
        with_zone("Finished"),
        "Duration (seconds)",
        "Attempts",
        "Start date",
        "End date",
        "ID number",
        "Not in the copy",
        "Links to the source",
        "Activity ids (source>copy)",
        "Retry of job",
        "Compared with its source",
        "Cause of failure",
        *(["Error code", "Moodle’s message"] if raw else []),
    ]


def lines(jobs: JobQuerySet, order: Order, *, raw: bool) -> Iterator[list[Cell]]:
    """Yield the lines of all jobs in this order. Only the needed columns are read: less than half of each row."""
    jobs = (
        jobs.select_related("requester")
        .annotate(is_compared=F("verification__complete"), why_not_compared=F("verification__why_not"))
        .defer("baseline", "evidence", "verification", "search_text")
    )
    for part in order.parts:
        for job in part.sorted(jobs).iterator(chunk_size=AT_A_TIME):
            yield _line(job, raw=raw)


def _line(job: DuplicationJob, *, raw: bool) -> list[Cell]:
    took = job.elapsed() if job.finished_at else None
    failed = job.state == State.FAILED
    return [
        job.pk,
        State(job.state).label,
        job.fullname,
        job.shortname,
        job.course_id,
        job.source_id,
        job.source_shortname,
        job.source_fullname,
        job.category_id,
        job.category_name,
        "yes" if job.visible else "no",
        job.chosen_options,
        requester_of(job),
        job.get_origin_display(),
        job.created_at,
        job.queued_at,
        job.started_at,
        job.finished_at,
        round(took.total_seconds(), 3) if took is not None else None,
        job.attempts,
        job.startdate.isoformat() if job.startdate else "",
        job.enddate.isoformat() if job.enddate else "",
        job.idnumber,
        *_reported(job),
        job.retry_of_id,
        _comparison(job),
        cause_of(job.failure_code) if failed else "",
        *([job.failure_code, job.failure_message] if raw else []),
    ]


def _comparison(job: DuplicationJob) -> str:
    """Return whether the copy has the sections and activities of its source."""
    if job.differs:
        return "differs"
    if job.is_compared is None:  # type: ignore[attr-defined]
        return ""
    return "not possible" if job.why_not_compared else "same"  # type: ignore[attr-defined]


def _reported(job: DuplicationJob) -> tuple[str, str, str]:
    """Return the plugin's report: what is missing, what links to the source, and the old and new ids of activities."""
    # Without addresses, because each would need a query.
    report = report_of(job, MoodleHealth())
    if report is None:
        return "", "", ""
    pointing = (f"{one.what}: {one.name} {one.address}" for one in report.pointing)
    ids = (f"{one.kind} {one.old}>{one.new}" for one in report.ids)
    return "; ".join(report.missing), "; ".join(pointing), " ".join(ids)[:CELL_LONGEST]

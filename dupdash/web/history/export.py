"""The history as a table for a spreadsheet."""

from collections.abc import Iterator

from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.duplication.states import State
from dupdash.web.csv_files import Cell, with_zone
from dupdash.web.history.filters import cause_of
from dupdash.web.presentation.job_rows import requester_of

AT_A_TIME = 500


def heads(*, raw: bool) -> list[str]:
    """``raw``: with Moodle's own words, for those who help."""
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
        "Asked for by",
        "Origin",
        with_zone("Asked for"),
        with_zone("Queued"),
        with_zone("Started"),
        with_zone("Finished"),
        "Took (seconds)",
        "Attempts",
        "New attempt at job",
        "Why it failed",
        *(["Error code", "Moodle’s words"] if raw else []),
    ]


def lines(jobs: JobQuerySet, *, raw: bool) -> Iterator[list[Cell]]:
    # What is not written is not read: it is more than half of a row.
    jobs = jobs.select_related("requester").defer("baseline", "facts", "verification", "search_text")
    return (_line(job, raw=raw) for job in jobs.iterator(chunk_size=AT_A_TIME))


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
        " ".join(name for name, chosen in job.options.items() if chosen),
        requester_of(job),
        job.get_origin_display(),
        job.created_at,
        job.queued_at,
        job.started_at,
        job.finished_at,
        round(took.total_seconds(), 3) if took is not None else None,
        job.attempts,
        job.retry_of_id,
        cause_of(job.failure_code) if failed else "",
        *([job.failure_code, job.failure_message] if raw else []),
    ]

"""Exports the results of a batch as CSV: the columns of its plan, and the result of each row."""

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from dupdash.duplication.explanations import explain
from dupdash.duplication.models import Batch, DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.states import State
from dupdash.rollover.batches.progress import current_jobs
from dupdash.rollover.models import Plan
from dupdash.rollover.reading.formula_protection import defuse
from dupdash.web.csv_files import csv_lines, csv_response

RESULT = ("row", "state", "old id", "new id", "link", "error")
WITHOUT_PLAN = ("source", "fullname", "shortname", "category")
JOBS_AT_ONCE = 500


def results_response(batch: Batch, *, raw: bool) -> StreamingHttpResponse:
    """Return the results as a CSV download.

    ``raw`` adds Moodle's error messages, for administrators and the help desk.
    """
    return csv_response("results", *_table(batch, raw=raw), safe=defuse)


def results_lines(batch: Batch, *, raw: bool) -> Iterator[str]:
    """Yield the lines of the CSV file."""
    return csv_lines(*_table(batch, raw=raw), safe=defuse)


def _table(batch: Batch, *, raw: bool) -> tuple[list[str], Iterator[list[str]]]:
    """Return the headings and the rows of the table."""
    plan: Plan | None = Plan.objects.filter(batch=batch).first()
    headings = list(plan.headings) if plan else list(WITHOUT_PLAN)
    return [*map(defuse, headings), *RESULT], _rows(batch, plan, headings, raw=raw)


def _rows(batch: Batch, plan: Plan | None, headings: list[str], *, raw: bool) -> Iterator[list[str]]:
    rows = {row.number: row for row in plan.rows.filter(included=True)} if plan else {}
    health = MoodleHealth.current()
    for job in current_jobs(batch).order_by("batch_row", "pk").iterator(chunk_size=JOBS_AT_ONCE):
        row = rows.get(-1 if job.batch_row is None else job.batch_row)
        if row is None:
            cells = [str(job.source_id), job.fullname, job.shortname, str(job.category_id)]
            cells += [""] * (len(headings) - len(cells))
        else:
            cells = row.cells(headings)
        yield [*cells, *_result(job, health, raw=raw)]


def _result(job: DuplicationJob, health: MoodleHealth, *, raw: bool) -> list[str]:
    there = job.course_id is not None and job.course_deleted_at is None
    error = ""
    if job.state == State.FAILED:
        error = explain(job.failure_code).happened
        if raw and job.failure_message:
            error = f"{error} {job.failure_message}"
    return [
        "" if job.batch_row is None else str(job.batch_row),
        State(job.state).label,
        str(job.source_id),
        str(job.course_id) if there else "",
        course_url(job.course_id or 0, health) if there else "",
        error,
    ]

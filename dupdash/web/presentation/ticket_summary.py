"""Describes a job as plain text for a ticket: the request, the timeline and the outcome."""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from django.utils import timezone

from dupdash.duplication.advice import Reader, what_to_do
from dupdash.duplication.driver_choice import driver_of_job
from dupdash.duplication.explanations import explain_failure, raw_moodle_error
from dupdash.duplication.models import DuplicationJob, JobEvent, MoodleHealth
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.name_display import isolate, plain_line
from dupdash.duplication.states import State
from dupdash.web.presentation.durations import exactly
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.options import summarize
from dupdash.web.presentation.outcome import Verification, outcome_of
from dupdash.web.presentation.requested_settings import settings_in_words
from dupdash.web.presentation.timeline import timeline


def summary(
    job: DuplicationJob,
    events: Iterable[JobEvent],
    health: MoodleHealth,
    *,
    url: str,
    zone: tzinfo | None,
    reader: Reader,
    raw: bool,
) -> str:
    """Return the text that ``reader`` may see, with times in ``zone``. ``raw`` adds Moodle's error messages.

    If ``zone`` is None, the times are in the time zone of dupdash.
    """
    lines = _lines(job, events, health, url, zone or timezone.get_default_timezone(), reader, raw)
    return "\n".join(map(plain_line, lines)) + "\n"


def _lines(
    job: DuplicationJob,
    events: Iterable[JobEvent],
    health: MoodleHealth,
    url: str,
    zone: tzinfo,
    reader: Reader,
    raw: bool,
) -> Iterator[str]:
    def moment(when: datetime | None) -> str:
        return when.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z") if when else "–"

    options = summarize(job.options, driver_of_job(job, health))
    elapsed = job.elapsed()
    yield f"Copy of a Moodle course: {State(job.state).label}"
    yield ""
    yield f"Job:       {job.pk}"
    yield f"Page:      {url}"
    yield f"Copy:      {isolate(job.fullname)} ({isolate(job.shortname)})"
    yield f"Source:    {isolate(job.source_fullname)} ({isolate(job.source_shortname)}), id {job.source_id}"
    yield f"Category:  {isolate(job.category_name or job.category_id)}"
    yield f"Options:   {', '.join(options.included) or 'only the sections, and the course’s settings in Moodle'}"
    if course_settings := settings_in_words(job, driver_of_job(job, health)):
        yield f"Dates, ID: {isolate('; '.join(course_settings))}"
    yield f"Requester: {isolate(requester_of(job))}, through {job.get_origin_display()}"
    yield f"Requested: {moment(job.created_at)}"
    if job.not_before:
        yield f"Scheduled: {moment(job.not_before)}"
    yield f"Started:   {moment(job.started_at)}"
    yield f"Ended:     {moment(job.finished_at)}" + (
        f", took {exactly(elapsed)}" if elapsed and job.finished_at else ""
    )
    yield f"Attempts:  {job.attempts}"
    if job.retry_of_id:
        yield f"Retry of:  {job.retry_of_id}"
    if job.course_id:
        gone = " (deleted)" if job.course_deleted_at else ""
        yield f"Course:    id {job.course_id}{gone}, {course_url(job.course_id, health)}"
    if raw and job.failure_code:
        yield f"Error:     {job.failure_code}"
    if raw and job.moodle_error:
        yield f"Moodle:    {' '.join(raw_moodle_error(job).split())}"
    elif raw and job.failure_message:
        yield f"Details:   {' '.join(job.failure_message.split())}"
    if job.state == State.FAILED:
        why = explain_failure(job)
        yield from (
            "",
            f"What happened: {why.happened}",
            f"What it means: {why.means}",
            f"What to do: {what_to_do(job, reader)}",
        )
    else:
        outcome = outcome_of(job, health, reader, raw=raw)
        for callout in outcome.callouts:
            yield from ("", " ".join(filter(None, (callout.title, callout.means, callout.do))))
        if outcome.verification is not None:
            yield from _comparison(outcome.verification)
    if job.left_partial_course:
        yield from ("", f"A partial course was left in Moodle, id {job.course_id}.")
    if job.note:
        yield from ("", "Note:", *(f"  {line}" for line in job.note.splitlines()))
    yield from ("", "Activity:")
    for entry in timeline(events, raw=False):
        yield f"  {moment(entry.when)}  {entry.what}, {entry.who}. {entry.why}".rstrip()


def _comparison(verification: Verification) -> Iterator[str]:
    yield from ("", f"{verification.title}. {verification.summary}")
    for heading, lines in (("Missing in the copy", verification.missing), ("In the copy only", verification.extra)):
        if lines:
            yield from ("", f"{heading}:", *(f"  {' '.join(line.split())}" for line in lines))

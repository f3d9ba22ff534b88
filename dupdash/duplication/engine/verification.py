"""Compares a finished copy with its source, and stores the report. Tries again if Moodle does not answer."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dupdash.duplication import course_settings
from dupdash.duplication.drivers.copy_verdict import is_empty
from dupdash.duplication.engine.comparison import Report, compare
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_health import INVALID_RESPONSE
from dupdash.duplication.recent_answers import recent_contents
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError, NotSent, Refused, UnknownRefusal
from dupdash.moodle.records import Contents

logger = logging.getLogger("dupdash.verification")

# After this time without a comparison, the report says that the copy could not be compared.
VERIFY_LONGEST = timedelta(days=1)
# The longest time between two tries.
VERIFY_INTERVAL_LONGEST = timedelta(hours=1)
VERIFIED_MOST = 50
# If fewer activities than this are expected, the copy counts as incomplete only if it is empty.
FEW_ACTIVITIES = 4


class NotListed(Exception):
    """Moodle cannot list the contents of a course, now or later. The message names the course and the reason."""


def verify(
    job: DuplicationJob,
    course_id: int,
    client: MoodleClient,
    *,
    copy: Contents | None = None,
    fresh: bool = False,
) -> Report | None:
    """Compare a finished copy with its source, and return the report; None after an error (the sweep tries again).

    ``copy``: the contents of the copy, if they were just read. ``fresh``: read both courses now. Otherwise the contents
    of the source may be a minute old, and both courses are read again if the copy differs.
    """
    try:
        if not fresh:
            source = _listed(lambda: recent_contents(client, job.source_id), job.source_id, "source")
            compared = _compare(job, source, copy or _contents(client, course_id, "copy"))
            report = _with_settings(compared, job, course_id, client)
            if report["complete"]:
                return report
        return _compare_with_source(job, course_id, client)
    except NotListed as reason:
        return _impossible(str(reason))
    except MoodleError:
        return None


def verify_pending(client: MoodleClient, deadline: float, between: Callable[[], object]) -> None:
    """Compare the copies of succeeded jobs that have no report yet. ``between`` is called after each comparison.

    ``deadline``: a time of the monotonic clock. At most VERIFIED_MOST copies are compared, and fewer if Moodle is down
    or slow. The next sweep compares the others.
    """
    if MoodleHealth.current().paused_at is not None:
        return
    for job in _without_report(timezone.now())[:VERIFIED_MOST]:
        if time.monotonic() > deadline or not _verify_later(job, client):
            return
        between()


def why_not_verified(report: Report | None) -> str:
    """Return why a copy could not be compared with its source, in a sentence; "" if it was compared, or will be."""
    return str((report or {}).get("why_not", ""))


def lacks_most(report: Report | None) -> bool:
    """Return whether a copy lacks most of its source: it is empty, or has fewer than half of the expected activities.

    Returns False if the source is as empty, or without a comparison. Activities that the options exclude are not
    expected. A few may be missing, because some types have no backup.
    """
    if report is None or why_not_verified(report):
        return False
    sections, activities = report["sections"], report["activities"]
    shell = is_empty(sections["copy"], activities["copy"])
    if shell and not is_empty(sections["source"], activities["expected"]):
        return True
    return bool(activities["expected"] >= FEW_ACTIVITIES and 2 * activities["copy"] < activities["expected"])


def _without_report(now: datetime) -> QuerySet[DuplicationJob]:
    """Return the jobs that are due for a comparison. The job that has waited longest is first."""
    due = Q(verify_at__isnull=True) | Q(verify_at__lte=now)
    missing = DuplicationJob.objects.filter(state=State.SUCCEEDED, verification__isnull=True, course_id__isnull=False)
    return missing.filter(due).order_by(F("verify_at").asc(nulls_first=True), "finished_at")


def _verify_later(job: DuplicationJob, client: MoodleClient) -> bool:
    """Try to compare one copy. Returns False if Moodle could not be reached."""
    now = timezone.now()
    waited = now - (job.finished_at or now)
    tried_before = job.verify_at is not None
    pause = min(VERIFY_INTERVAL_LONGEST, max(timedelta(seconds=settings.CHECK_FIRST), waited))
    try:
        # Stored before Moodle is asked, so that the other jobs come first the next time.
        update_job(job, guard={"verify_at": job.verify_at}, verify_at=now + pause)
        report = _report(job, client, last_try=tried_before and waited >= VERIFY_LONGEST)
        update_job(job, verification=report, verify_at=None)
    except NotSent as away:
        logger.info("job %s: %s", job.pk, away)
        return False
    except (MoodleError, StaleJob) as passing:
        logger.info("job %s: %s", job.pk, passing)
    return True


def _report(job: DuplicationJob, client: MoodleClient, *, last_try: bool) -> Report:
    """Compare a copy with its source, and return the report, which may say that no comparison is possible.

    Raises MoodleError if a later attempt may succeed. ``last_try``: return a report instead, unless Moodle is down.
    """
    course_id = job.course_id or 0
    try:
        return _compare_with_source(job, course_id, client)
    except NotListed as reason:
        return _impossible(str(reason))
    except NotSent:
        # An outage proves nothing about the courses, however long it lasts.
        raise
    except MoodleError as error:
        if isinstance(error, Refused | UnknownRefusal):
            for which, id in (("source", job.source_id), ("copy", course_id)):
                if client.course_by_id(id) is None:
                    return _impossible(
                        f"dupdash no longer finds the {which}, course {id}, in Moodle: it was deleted, or dupdash’s "
                        "Moodle account may not see it."
                    )
        if last_try:
            return _impossible(f"dupdash tried for a day to compare the two courses. The last error was: {error}")
        raise


def _impossible(why: str) -> Report:
    return {"at": timezone.now().isoformat(), "complete": False, "why_not": why}


def _compare_with_source(job: DuplicationJob, course_id: int, client: MoodleClient) -> Report:
    source = _contents(client, job.source_id, "source")
    copy = _contents(client, course_id, "copy")
    return _with_settings(_compare(job, source, copy), job, course_id, client)


def _compare(job: DuplicationJob, source: Contents, copy: Contents) -> Report:
    return compare(
        source,
        copy,
        with_activities=bool(job.options.get("activities", True)),
        dates_moved="startdate" in job.course_settings,
    )


def _with_settings(report: Report, job: DuplicationJob, course_id: int, client: MoodleClient) -> Report:
    """Return the report with the settings of the copy that differ from the requested ones."""
    if not job.course_settings:
        return report
    course = client.course_by_id(course_id)
    wrong = course_settings.differences(job, course) if course is not None else []
    return {**report, "settings": wrong, "complete": report["complete"] and not wrong}


def _contents(client: MoodleClient, course_id: int, which: str) -> Contents:
    return _listed(lambda: client.contents(course_id), course_id, which)


def _listed(read: Callable[[], Contents], course_id: int, which: str) -> Contents:
    """Return what ``read`` returns. Raises NotListed if an activity permanently prevents Moodle from listing it."""
    try:
        return read()
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise
        said = f"{error.message} ({error.errorcode})" if error.message else error.errorcode
        message = f"Moodle could not list the contents of the {which}, course {course_id}: {said}."
        raise NotListed(message) from None

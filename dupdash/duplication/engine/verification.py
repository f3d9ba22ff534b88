"""Compares a copy with its source: sections and activities, matched by name and type.

What Moodle's contents service cannot show (blocks, filters, people, grades) is not claimed to be verified.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dupdash.duplication import course_settings
from dupdash.duplication.drivers.copy_tracker import is_empty_shell
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_health import INVALID_RESPONSE
from dupdash.duplication.recent_answers import recent_contents
from dupdash.duplication.states import State
from dupdash.duplication.transitions import StaleJob, update_job
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError, NotSent, Refused, UnknownRefusal
from dupdash.moodle.records import Contents

logger = logging.getLogger("dupdash.verification")

# A report names so many differences of a kind, and counts the rest.
NAMED_MOST = 50
# After this time without a comparison, the report says that the copy could not be compared.
VERIFY_FOR = timedelta(days=1)
# The longest pause between two tries.
VERIFY_LONGEST = timedelta(hours=1)
AT_ONCE = 50
# With fewer activities than this a copy is incomplete only where it is an empty shell.
FEW_ACTIVITIES = 4

Report = dict[str, Any]


class NotListed(Exception):
    """Moodle cannot list the contents of a course, and will not be able to later; the message says which and why."""


def verify(
    job: DuplicationJob,
    course_id: int,
    client: MoodleClient,
    *,
    copy: Contents | None = None,
    fresh: bool = False,
) -> Report | None:
    """The report of a finished copy; None where Moodle could not be asked (it is tried again later).

    ``copy``: the contents of the copy, where they were just read. Unless ``fresh``, the contents of the source may be a
    minute old; where the copy differs from them, both are read anew.
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
    """Make the reports that were not made when their copies ended. ``between`` is called after each of them.

    ``deadline``: on the monotonic clock; a Moodle that is away or slow leaves the rest for the next sweep.
    """
    if MoodleHealth.current().paused_at is not None:
        return
    for job in _without_report(timezone.now())[:AT_ONCE]:
        if time.monotonic() > deadline or not _verify_later(job, client):
            return
        between()


def why_not_verified(report: Report | None) -> str:
    """Why a copy could not be compared with its source, in a sentence; "" where it was, or will be."""
    return str((report or {}).get("why_not", ""))


def lacks_most(report: Report | None) -> bool:
    """Whether a copy lacks so much of its source that it is none: it is an empty shell, or has fewer than half of the
    activities. What the options leave out is not missed; a few activities may be of a kind that no backup takes along.
    """
    if report is None or why_not_verified(report):
        return False
    sections, activities = report["sections"], report["activities"]
    shell = is_empty_shell(sections["copy"], activities["copy"])
    if shell and not is_empty_shell(sections["source"], activities["expected"]):
        return True
    return bool(activities["expected"] >= FEW_ACTIVITIES and 2 * activities["copy"] < activities["expected"])


def _without_report(now: datetime) -> QuerySet[DuplicationJob]:
    """Jobs that are due for a comparison, the longest waiting first; ``verify_at`` is the time of the next try."""
    due = Q(verify_at__isnull=True) | Q(verify_at__lte=now)
    missing = DuplicationJob.objects.filter(state=State.SUCCEEDED, verification__isnull=True, course_id__isnull=False)
    return missing.filter(due).order_by(F("verify_at").asc(nulls_first=True), "finished_at")


def _verify_later(job: DuplicationJob, client: MoodleClient) -> bool:
    """Try to make one report; False where Moodle could not be reached."""
    now = timezone.now()
    waited = now - (job.finished_at or now)
    tried_before = job.verify_at is not None
    pause = min(VERIFY_LONGEST, max(timedelta(seconds=settings.CHECK_FIRST), waited))
    try:
        # Before Moodle is asked, so that the other jobs come first the next time, whatever happens.
        update_job(job, guard={"verify_at": job.verify_at}, verify_at=now + pause)
        report = _report(job, client, last_try=tried_before and waited >= VERIFY_FOR)
        update_job(job, verification=report, verify_at=None)
    except NotSent as away:
        logger.info("job %s: %s", job.pk, away)
        return False
    except (MoodleError, StaleJob) as passing:
        logger.info("job %s: %s", job.pk, passing)
    return True


def _report(job: DuplicationJob, client: MoodleClient, *, last_try: bool) -> Report:
    """The report, or one that says why no comparison is possible. Raises MoodleError where a later try may succeed."""
    course_id = job.course_id or 0
    try:
        return _compare_with_source(job, course_id, client)
    except NotListed as reason:
        return _impossible(str(reason))
    except NotSent:
        # An outage proves nothing about these courses, however long it lasts.
        raise
    except MoodleError as error:
        if isinstance(error, Refused | UnknownRefusal):
            for which, id in (("source", job.source_id), ("copy", course_id)):
                if client.course_by_id(id) is None:
                    return _impossible(f"The {which}, course {id}, is not seen in Moodle any more.")
        if last_try:
            return _impossible(f"It was tried for a day. The last answer was: {error}")
        raise


def _impossible(why: str) -> Report:
    return {"at": timezone.now().isoformat(), "complete": False, "why_not": why}


def _compare_with_source(job: DuplicationJob, course_id: int, client: MoodleClient) -> Report:
    source = _contents(client, job.source_id, "source")
    copy = _contents(client, course_id, "copy")
    return _with_settings(_compare(job, source, copy), job, course_id, client)


def _compare(job: DuplicationJob, source: Contents, copy: Contents) -> Report:
    return compare(source, copy, with_activities=bool(job.options.get("activities", True)))


def _with_settings(report: Report, job: DuplicationJob, course_id: int, client: MoodleClient) -> Report:
    """The report with the settings of the copy that differ from the requested ones."""
    if not job.course_settings:
        return report
    course = client.course_by_id(course_id)
    wrong = course_settings.differences(job, course) if course is not None else []
    return {**report, "settings": wrong, "complete": report["complete"] and not wrong}


def _contents(client: MoodleClient, course_id: int, which: str) -> Contents:
    return _listed(lambda: client.contents(course_id), course_id, which)


def _listed(read: Callable[[], Contents], course_id: int, which: str) -> Contents:
    """Raises NotListed where one of the activities breaks the whole list, which does not pass by itself."""
    try:
        return read()
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise
        said = f"{error.message} ({error.errorcode})" if error.message else error.errorcode
        message = f"Moodle could not list the contents of the {which}, course {course_id}: {said}."
        raise NotListed(message) from None


def compare(source: Contents, copy: Contents, *, with_activities: bool) -> Report:
    """Count and match; differences are named, each with how often it is missing or extra, and some only counted.

    ``matched`` is what is in both: a copy may have as many activities as its source, and not the same ones.
    """
    wanted_sections = _sections(source, with_subsections=with_activities)
    sections = _difference(wanted_sections, _sections(copy))
    wanted = _activities(source) if with_activities else Counter[tuple[str, str]]()
    activities = _difference(wanted, _activities(copy))
    return {
        "at": timezone.now().isoformat(),
        "sections": {
            "source": source.section_count,
            "expected": wanted_sections.total(),
            "copy": copy.section_count,
            **sections,
        },
        "activities": {
            "source": source.activities,
            "expected": sum(wanted.values()),
            "copy": copy.activities,
            **activities,
        },
        # Sections and activities that Moodle listed without a name or a type, in both courses.
        "left_out": source.left_out + copy.left_out,
        "complete": not any(kind[word] for kind in (sections, activities) for word in ("missing", "extra")),
    }


def _sections(contents: Contents, *, with_subsections: bool = True) -> Counter[tuple[str, str]]:
    """By number and name. Subsections belong to an activity, and have other numbers in a copy: component and name."""
    return Counter(
        (section.component or str(section.number), section.name)
        for section in contents.sections
        if with_subsections or not section.component
    )


def _activities(contents: Contents) -> Counter[tuple[str, str]]:
    return Counter((activity.modname, activity.name) for section in contents.sections for activity in section.modules)


def _difference(source: Counter[tuple[str, str]], copy: Counter[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {"matched": (source & copy).total()}
    for word, more in (("missing", source - copy), ("extra", copy - source)):
        entries = [{"type": kind, "name": name, "count": count} for (kind, name), count in more.items()]
        found[word] = entries[:NAMED_MOST]
        found[f"more_{word}"] = sum(entry["count"] for entry in entries[NAMED_MOST:])
    return found

"""Looks up the course of a job in Moodle, and stores the evidence."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.drivers.copy_contents import contents_of_copy
from dupdash.duplication.drivers.copy_evidence import CopyEvidence, CourseSnapshot, ExpectedCopy, Observation
from dupdash.duplication.drivers.copy_verdict import has_requested_names, is_likely
from dupdash.duplication.drivers.temporary_names import NAMES_BEYOND, temporary_short_name
from dupdash.duplication.models import DuplicationJob, Phase, Proof
from dupdash.duplication.quantities import counted
from dupdash.duplication.transitions import record_event, update_job
from dupdash.duplication.unsafe_lookups import names_not_to_look_up
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.records import Course

# The highest counter of a temporary name that is looked up.
COUNTERS_MOST = 200
# How many candidates are looked up by their ids: the newest ones.
CANDIDATES_FOLLOWED = 5


def first_temporary_names(job: DuplicationJob) -> list[str]:
    """Return the first few temporary names, which are part of every baseline."""
    names = _counted_names(job, job.source_shortname)
    return list(islice(names, NAMES_BEYOND + 1))


def _counted_names(job: DuplicationJob, source_shortname: str) -> Iterator[str]:
    """Return the temporary names SOURCE_1, SOURCE_2, …, except names that must not be looked up now."""
    counted = [temporary_short_name(source_shortname, counter) for counter in range(1, COUNTERS_MOST + 1)]
    skipped = names_not_to_look_up(job, counted)
    return (name for name in counted if name not in skipped)


def take_baseline(
    client: MoodleClient,
    job: DuplicationJob,
    source_shortname: str,
    of_others: Iterable[int] = (),
    known: Mapping[str, tuple[Course, ...]] | None = None,
) -> dict[str, list[str] | list[int]]:
    """Look up temporary names, and return the baseline: these ``names``, and as ``present`` the ids of their courses.

    The names are those up to the first free one, and a few more. Restore will give the copy the first of them that is
    free at that moment. Moodle has no cheap way to ask for the highest course id, so these ids distinguish the copy
    from earlier courses.
    ``of_others``: the ids of other jobs' courses, which may get these names later; they are added to ``present``.
    ``known``: the results of lookups that were just made, keyed by name. Raises MoodleError.
    """
    names: list[str] = []
    present = sorted(of_others)
    free = 0
    for name in _counted_names(job, source_shortname):
        found = known[name] if known and name in known else client.courses_by_shortname(name)
        names.append(name)
        present += [course.id for course in found]
        free += 0 if found and not free else 1
        if free > NAMES_BEYOND:
            break
    return {"names": names, "present": present}


def expected_copy_after_sending(job: DuplicationJob) -> ExpectedCopy:
    """Return the expected copy of a job that was sent a while ago.

    Other jobs may have made their copies since then, so their courses are excluded.
    """
    target = expected_copy(job)
    return replace(target, not_ours=target.not_ours | courses_of_other_jobs(job))


def expected_copy(job: DuplicationJob) -> ExpectedCopy:
    """Return the expected copy of a job whose course was not seen yet.

    Until then, no other copy of the source is sent (rule 4), so there is no course of another job to exclude.
    """
    return ExpectedCopy(
        shortname=job.shortname,
        fullname=job.fullname,
        category_id=job.category_id,
        source_shortname=job.source_shortname,
        not_ours=frozenset({job.source_id, *(job.baseline or {}).get("present", [])}),
        gap=settings.CHECK_LONGEST,
    )


def courses_of_other_jobs(job: DuplicationJob) -> set[int]:
    """Return the ids of the courses that other jobs are proven to have made from the same source.

    These courses had the temporary names that the copy of this job can have.
    """
    others = DuplicationJob.objects.filter(source_id=job.source_id).exclude(pk=job.pk).exclude(proof=Proof.NONE)
    return {course_id for course_id in others.values_list("course_id", flat=True) if course_id is not None}


def names_in_baseline(job: DuplicationJob) -> list[str]:
    """Return the temporary names that were looked up before sending."""
    names: list[str] = (job.baseline or {}).get("names", [])
    return names


def safe_names(job: DuplicationJob, names: Iterable[str]) -> list[str]:
    """Return the ``names`` that may be looked up now.

    Leaves out the name that this job requested, and names that another sent job requested: a lookup could break the
    copy.
    """
    wanted = list(dict.fromkeys(names))
    skipped = names_not_to_look_up(job, wanted)
    return [name for name in wanted if name not in skipped]


def most_likely_temporary_name(job: DuplicationJob) -> tuple[str, ...]:
    """Return, as a tuple of one, the first temporary name that was free before sending; () without a baseline.

    Restore uses this name unless the matching full name is taken.
    """
    return tuple(names_in_baseline(job)[-NAMES_BEYOND - 1 :][:1])


def evidence_of(job: DuplicationJob) -> CopyEvidence:
    return CopyEvidence.from_json(job.evidence)


def course_due_at(job: DuplicationJob) -> datetime:
    """Return the time from which the course of a sent job is overdue.

    This is the time of sending plus three times the expected duration of the backup. Without earlier copies, a time for
    each activity of the source is added instead, or COURSE_DUE_UNKNOWN if the number of activities is unknown. At least
    COURSE_DUE_LEAST is added.

    From then on, a job whose answer was lost no longer blocks its source. Its requested short name may be looked up
    occasionally, because the lookup is very unlikely to happen in the few milliseconds in which it breaks the copy.
    """
    if job.expected_backup is not None:
        seconds = 3 * job.expected_backup
    elif job.source_activities is not None:
        seconds = job.source_activities * settings.COURSE_DUE_PER_ACTIVITY
    else:
        seconds = settings.COURSE_DUE_UNKNOWN
    return (job.sent_at or timezone.now()) + timedelta(seconds=max(settings.COURSE_DUE_LEAST, seconds))


def may_look_up_requested_name(job: DuplicationJob, evidence: CopyEvidence) -> bool:
    """Return whether the requested short name may be looked up with little or no risk of breaking the copy.

    After Moodle has ended the request, there is no risk. Before that, the course must be overdue, no candidate may be
    changing, and the last such lookup must be long enough ago (docs/architecture.md, "Evidence"). Returns False if the
    course is known, because then the lookup is unnecessary.
    """
    if evidence.course_id is not None or evidence.answered is not None:
        return False
    if job.moodle_done_at is not None:
        return True
    if timezone.now() < course_due_at(job):
        return False
    now, pause = time.time(), settings.REQUESTED_NAME_PAUSE
    if evidence.requested_name_at is not None and 0 <= now - evidence.requested_name_at < pause:
        return False
    return all(course.unchanged >= pause for course in evidence.present_candidates)


def observe_copy(
    client: MoodleClient,
    evidence: CopyEvidence,
    expected: ExpectedCopy,
    *,
    names: Iterable[str] = (),
    requested_name: bool = False,
    contents: bool = True,
) -> Observation:
    """Make a round of lookups: known courses by their ids, then the given temporary names, then the requested name.

    No names are looked up if a course is proven to be the copy, or if Moodle's answer names it.
    ``contents``: whether to read the contents of all courses found, which is expensive (0.3 s for 307 activities).
    Otherwise contents are read only for a course with the requested names, to find out whether it is complete.
    ``requested_name``: whether to look up the requested short name, which only ``may_look_up_requested_name`` may
    allow.
    Raises MoodleError.
    """
    at = time.time()
    missing: set[int] = set()
    found: dict[int, CourseSnapshot] = {}
    for course_id in _followed(evidence):
        course = client.course_by_id(course_id)
        if course is None:
            missing.add(course_id)
        else:
            found[course_id] = CourseSnapshot.from_course(course)
    if evidence.own is None:
        called = [course for name in names for course in client.courses_by_shortname(name)]
        if requested_name:
            called += client.courses_by_shortname(expected.shortname)
        found |= {course.id: CourseSnapshot.from_course(course) for course in called}
    snapshots = []
    for snapshot in found.values():
        shown = snapshot
        named = has_requested_names(snapshot, expected)
        if snapshot.id not in expected.not_ours and (contents or named):
            inside = contents_of_copy(client, snapshot.id)
            if inside.section_count and named:
                # The names may have been those of the hidden row at the beginning of the restore. Only requested names
                # that are seen after contents prove a finished copy.
                course = client.course_by_id(snapshot.id)
                if course is None:
                    missing.add(snapshot.id)
                    continue
                shown = CourseSnapshot.from_course(course)
            shown = replace(shown, sections=inside.section_count, activities=inside.activities)
        snapshots.append(shown)
    return Observation(at, tuple(snapshots), frozenset(missing), evidence.own is None and requested_name)


def _followed(evidence: CopyEvidence) -> list[int]:
    if evidence.own is not None:
        return [evidence.own.id]
    return [course.id for course in evidence.present_candidates][-CANDIDATES_FOLLOWED:]


def changes_from_evidence(evidence: CopyEvidence, job: DuplicationJob) -> dict[str, Any]:
    """Return the new values of the columns that change with the evidence from a lookup that Moodle just answered."""
    now = timezone.now()
    changes: dict[str, Any] = {"evidence": evidence.to_json(), "last_response_at": now}
    expected = expected_copy(job)
    if all(course.id != job.likely_course_id for course in evidence.present_candidates):
        likely = [course.id for course in evidence.candidates if is_likely(course, expected)]
        changes["likely_course_id"] = likely[-1] if likely else None
    if evidence.restore_at is not None and job.restore_at is None:
        changes |= {"restore_at": now, "phase": Phase.RESTORE}
        if job.source_released_at is None:
            changes["source_released_at"] = now
    if evidence.course_id is not None and job.course_id != evidence.course_id:
        by_answer = evidence.answered == evidence.course_id
        changes |= {"course_id": evidence.course_id, "proof": Proof.ANSWERED if by_answer else Proof.SEEN}
    if evidence.content_at is not None and job.content_at is None:
        changes["content_at"] = now
    return changes


def record_evidence(
    job: DuplicationJob, evidence: CopyEvidence, *, guard: Mapping[str, Any] | None = None, **further: Any
) -> None:
    """Store the evidence of a lookup, with an event for a milestone. Raises StaleJob if the job has changed.

    ``guard``: as for ``move_job``. ``further``: other columns to change.
    """
    changes = changes_from_evidence(evidence, job)
    milestone = _milestone(job, changes, evidence)
    changes |= further
    if milestone is None:
        update_job(job, guard=guard, **changes)
    else:
        kind, reason, course_id = milestone
        record_event(job, kind=kind, reason=reason, data={"course_id": course_id}, guard=guard, **changes)


def _milestone(job: DuplicationJob, changes: Mapping[str, Any], evidence: CopyEvidence) -> tuple[str, str, int] | None:
    """Return the kind, reason and course id of the event for a milestone; None if no milestone was reached.

    If one lookup showed two milestones, only the first is recorded.
    """
    course_id = changes.get("course_id") or changes.get("likely_course_id") or job.course_id or job.likely_course_id
    shown = next((course for course in evidence.courses if course.id == course_id), None)
    if shown is None:
        return None
    if job.course_id is None and job.likely_course_id is None:
        what = "The copy" if shown.id == evidence.course_id else "A new course that is probably the copy"
        seen = f"The backup is done. {what} appeared in Moodle: id {shown.id} ({shown.shortname})."
        return "course_seen", seen, shown.id
    if "content_at" in changes:
        inside = f"{counted(shown.sections, 'section')}, {counted(shown.activities, 'activity', 'activities')}"
        contents = f"The contents appeared: {inside}."
        return "content_seen", contents, shown.id
    return None

"""Looking at Moodle for the course of a job: what waiting, checking and settling share."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils import timezone

from dupdash.duplication.drivers.copy_contents import contents_of_copy
from dupdash.duplication.drivers.copy_tracker import (
    NAMES_BEYOND,
    CopyEvidence,
    CourseSnapshot,
    ExpectedCopy,
    Observation,
    apply_observation,
    same_name,
    temporary_short_name,
)
from dupdash.duplication.models import DuplicationJob, Phase, Proof
from dupdash.duplication.transitions import record_event, update_job
from dupdash.moodle.client import MoodleClient

# No source has more copies than this under its own counted names; a longer run is cut.
COUNTERS_MOST = 200
# The column that a milestone fills, and what its event says. Where one look shows two, the first is told.
MILESTONES = (
    ("seen_at", "course_seen", "Backup is done. The new course was seen in Moodle: id {facts.course_id}."),
    (
        "content_at",
        "content_seen",
        "Its contents are there: {facts.sections} sections, {facts.activities} activities.",
    ),
)


def take_baseline(
    client: MoodleClient, source_shortname: str, of_others: Iterable[int] = ()
) -> dict[str, list[str] | list[int]]:
    """Which of SRC_1, SRC_2, … exist, up to the first free one and five beyond: a cheap look-up each.

    Restore will call the copy by the first of these names that is free when it gets there. There is no cheap
    way to ask for the highest course id, so the ids under these names tell our copy from what was there.
    ``of_others``: the courses of other jobs, some of which are being made and will go through these names.
    """
    names: list[str] = []
    present = sorted(of_others)
    free = 0
    for counter in range(1, COUNTERS_MOST):
        name = temporary_short_name(source_shortname, counter)
        found = client.courses_by_shortname(name)
        names.append(name)
        present += [course.id for course in found]
        free += 0 if found and not free else 1
        if free > NAMES_BEYOND:
            break
    return {"names": names, "present": present}


def expected_copy_after_sending(job: DuplicationJob) -> ExpectedCopy:
    """What the copy of a job is recognised by that was sent long ago: other jobs have made theirs since."""
    target = expected_copy(job)
    return replace(target, not_ours=target.not_ours | courses_of_other_jobs(job))


def expected_copy(job: DuplicationJob) -> ExpectedCopy:
    """What the copy of a job is recognised by until its course was seen: no other of its source is sent meanwhile."""
    return ExpectedCopy(
        shortname=job.shortname,
        fullname=job.fullname,
        category_id=job.category_id,
        source_shortname=job.source_shortname,
        not_ours=frozenset({job.source_id, *(job.baseline or {}).get("present", [])}),
        gap=settings.CHECK_LONGEST,
    )


def courses_of_other_jobs(job: DuplicationJob) -> set[int]:
    """The courses of this source that are proven to be other jobs': under names that ours goes through, too."""
    others = DuplicationJob.objects.filter(source_id=job.source_id).exclude(pk=job.pk).exclude(proof=Proof.NONE)
    return {course_id for course_id in others.values_list("course_id", flat=True) if course_id is not None}


def temporary_names(job: DuplicationJob) -> list[str]:
    names: list[str] = (job.baseline or {}).get("names", [])
    return names


def most_likely_temporary_name(job: DuplicationJob) -> tuple[str, ...]:
    """The first temporary name that was free before sending: restore takes it, unless its full name is taken."""
    return tuple(temporary_names(job)[-NAMES_BEYOND - 1 :][:1])


def evidence_of(job: DuplicationJob) -> CopyEvidence:
    return CopyEvidence.from_json(job.facts)


def observe_copy(
    client: MoodleClient,
    facts: CopyEvidence,
    expected_copy: ExpectedCopy,
    *,
    temporary: Iterable[str] = (),
    contents: bool = True,
) -> Observation:
    """One look: by id where it is known, else by the requested short name; contents where they may be decisive.

    Raises MoodleError. ``contents`` is the dearest part (0.3 s for 307 activities): without it they are asked
    for only when the course carries the requested names, which is when they prove that it is complete.
    """
    at = time.time()
    if facts.course_id is None:
        named = tuple(
            CourseSnapshot.from_course(course) for course in client.courses_by_shortname(expected_copy.shortname)
        )
        under_temporary = tuple(
            CourseSnapshot.from_course(course) for name in temporary for course in client.courses_by_shortname(name)
        )
        sighting = Observation(at, named=named, temporary=under_temporary)
        own_id = apply_observation(facts, expected_copy, sighting).course_id
        own = next((course for course in named if course.id == own_id), None)
        missing = False
    else:
        course = client.course_by_id(facts.course_id)
        own = CourseSnapshot.from_course(course) if course else None
        missing = own is None
        sighting = Observation(at)
    if own is None:
        return Observation(at, sighting.named, None, missing, sighting.temporary)
    sections = activities = None
    if contents or (same_name(own.shortname, expected_copy.shortname) and facts.last is not None):
        inside = contents_of_copy(client, own.id)
        sections, activities = inside.section_count, inside.activities
        if sections and same_name(own.shortname, expected_copy.shortname):
            # The names may have been those of the hidden row, read before the restore went on: contents and then
            # the requested names, in this order, are a finished copy.
            course = client.course_by_id(own.id)
            own, missing = (CourseSnapshot.from_course(course) if course else None), course is None
    if own is None:
        return Observation(at, sighting.named, None, missing, sighting.temporary)
    return Observation(at, sighting.named, own, False, sighting.temporary, sections, activities)


def changes_from_evidence(facts: CopyEvidence, job: DuplicationJob) -> dict[str, Any]:
    """The columns of a job that follow from the facts. Heard now: the look that gave them was answered."""
    now = timezone.now()
    changes: dict[str, Any] = {"facts": facts.to_json(), "last_response_at": now}
    if facts.restore_at is not None and job.restore_at is None:
        changes |= {"restore_at": now, "phase": Phase.RESTORE}
    if facts.course_id is not None and job.seen_at is None:
        changes |= {"seen_at": now, "course_id": facts.course_id, "phase": Phase.RESTORE}
        changes |= {} if job.proof else {"proof": Proof.SEEN}
    if facts.content_at is not None and job.content_at is None:
        changes["content_at"] = now
    return changes


def record_evidence(
    job: DuplicationJob, facts: CopyEvidence, *, guard: Mapping[str, Any] | None = None, **further: Any
) -> None:
    """Write down what a look showed; a milestone is an event. Raises JobMovedOn where the job is elsewhere by now."""
    changes = changes_from_evidence(facts, job)
    told = next(((kind, reason) for column, kind, reason in MILESTONES if column in changes), None)
    changes |= further
    if told is None:
        update_job(job, guard=guard, **changes)
    else:
        kind, reason = told
        record_event(job, kind=kind, reason=reason.format(facts=facts), guard=guard, **changes)

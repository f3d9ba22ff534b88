"""Checks after a chaos run that dupdash broke none of its rules. Each function returns violations as sentences."""

import html
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings

from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.duplication.states import TERMINAL, TRANSITIONS, State
from dupdash.moodle.driver_abilities import abilities
from tests.chaos.people import CopyPlan

Course = dict[str, Any]
# The calls that the sandbox counted, and the courses that were deleted in it.
Calls = dict[str, Any]
# A function that returns the page of a job as an administrator sees it.
Page = Callable[[DuplicationJob], str]
# The events that return a sent job to the queue: Moodle has proven that nothing was started, or dupdash has deleted
# the empty shell that an error left.
WITHDRAWN = {"again_later", "source_busy", "paused", "site_down", "shell_deleted"}
# The events of deletions that a person requested.
DELETED = {"cancelled_copy_deleted", "partial_deleted"}
# How often a request may be sent again after an empty shell was deleted.
SHELLS_MOST = 2


def violations(
    plans: list[CopyPlan],
    jobs: list[DuplicationJob],
    courses: list[Course],
    calls: Calls,
    page: Page,
) -> list[str]:
    """Return all violations. Each names its job or course."""
    return [
        *not_one_job_each(plans, jobs),
        *not_settled(jobs),
        *given_up(jobs),
        *wrong_results(jobs, courses),
        *different_from_request(jobs, courses),
        *lost_cancellations(plans, jobs),
        *wrongly_deleted(jobs, courses, calls),
        *sent_twice(jobs, calls),
        *disturbed(calls),
        *unexplained_courses(jobs, courses, page),
        *unexplained(jobs, courses, page),
        *incomplete_timelines(jobs),
    ]


def not_one_job_each(plans: Iterable[CopyPlan], jobs: Iterable[DuplicationJob]) -> list[str]:
    """Check that each request has exactly one job with the requested values, and that there are no other jobs."""
    found = []
    by_name = defaultdict(list)
    for job in jobs:
        by_name[job.shortname].append(job)
    for plan in plans:
        its = by_name.pop(plan.shortname, [])
        if len(its) != 1:
            found.append(f"{plan.shortname} was requested, and has {len(its)} jobs")
        asked = (plan.source.id, plan.fullname, plan.source.category, plan.visible)
        found += [
            f"{_name(job)} is not what was asked for"
            for job in its
            if (job.source_id, job.fullname, job.category_id, job.visible) != asked
        ]
        found += [
            f"{_name(job)} is cancelled, and nobody wanted that"
            for job in its
            if job.state == State.CANCELLED and not plan.cancelled
        ]
    return found + [f"{_name(job)} was never asked for" for its in by_name.values() for job in its]


def not_settled(jobs: Iterable[DuplicationJob]) -> list[str]:
    """Check that every job has ended or is unresolved."""
    settled = TERMINAL | {State.UNRESOLVED}
    return [f"{_name(job)} is still {job.state}" for job in jobs if job.state not in settled]


def given_up(jobs: list[DuplicationJob]) -> list[str]:
    """Check that some copy succeeded, and that a job that was never sent failed only after all its attempts.

    No fault of a run makes Moodle refuse a copy permanently before the request was sent.
    """
    found = []
    if not any(job.state == State.SUCCEEDED for job in jobs):
        found.append(f"not one of {len(jobs)} jobs succeeded")
    for job in jobs:
        if job.state != State.FAILED or job.sent_at is not None:
            continue
        turns = Counter(event.kind for event in job.events.all())
        attempts = turns["started"] - turns["source_busy"] - turns["paused"]
        # A configuration fault also ends a job, if each time only this job meets the fault.
        if max(attempts, turns["paused"] + 1) < settings.RETRY_ATTEMPTS:
            found.append(f"{_name(job)} failed ({job.failure_code}) after {attempts} attempts, and was never sent")
    return found


def wrong_results(jobs: Iterable[DuplicationJob], courses: Iterable[Course]) -> list[str]:
    """Check that a job has succeeded exactly if there is one complete course with its names, and names that course."""
    complete: dict[tuple[str, str], list[int]] = defaultdict(list)
    for course in courses:
        if course["complete"]:
            complete[course["shortname"], course["fullname"]].append(course["id"])
    found = []
    for job in jobs:
        ids = complete[job.shortname, job.fullname]
        if len(ids) != (job.state == State.SUCCEEDED):
            found.append(f"{_name(job)} is {job.state}, and {len(ids)} complete courses are its own")
        elif job.state == State.SUCCEEDED and ids != [job.course_id]:
            found.append(f"{_name(job)} names course {job.course_id}, and its copy is {ids[0]}")
    return found


def different_from_request(jobs: Iterable[DuplicationJob], courses: Iterable[Course]) -> list[str]:
    """Check that each copy has the requested category and visibility, and the contents of its source."""
    by_id = {course["id"]: course for course in courses}
    found = []
    for job in jobs:
        copy, source = by_id.get(job.course_id or 0), by_id.get(job.source_id)
        if job.state != State.SUCCEEDED or copy is None or source is None:
            continue
        wanted = {"category": job.category_id, "visible": job.visible}
        wanted |= {what: source[what] for what in ("sections", "modules")}
        found += [
            f"{_name(job)}: {what} of its course {copy['id']} is {copy[what]}, not {value}"
            for what, value in wanted.items()
            if copy[what] != value
        ]
    return found


def lost_cancellations(plans: Iterable[CopyPlan], jobs: Iterable[DuplicationJob]) -> list[str]:
    """Check that each confirmed cancellation is recorded, and that a cancelled job has no copy or says why it has."""
    told = {plan.shortname for plan in plans if plan.confirmed}
    found = []
    for job in jobs:
        kinds = {event.kind for event in job.events.all()}
        if job.shortname in told and not kinds & {"cancelled", "cancel_requested"}:
            found.append(f"{_name(job)} does not know that it was cancelled")
        if job.state == State.SUCCEEDED and job.cancel_requested_at and "cancelled_copy_kept" not in kinds:
            found.append(f"{_name(job)} was cancelled; its copy was not deleted, and it does not say so")
    return found


def wrongly_deleted(jobs: list[DuplicationJob], courses: Iterable[Course], calls: Calls) -> list[str]:
    """Check that only courses made by jobs were deleted: empty shells, and courses whose deletion was requested."""
    there = {course["id"] for course in courses}
    found = [f"{_name(job)}: its source, course {job.source_id}, is gone" for job in jobs if job.source_id not in there]
    own = {job.course_id: job for job in jobs if job.is_proven and job.course_deleted_at}
    shells = {event.data.get("course_id"): job for job in jobs for event in job.events.all() if _found_shell(event)}
    for course in calls["deleted"]:
        job = own.get(course["id"]) or shells.get(course["id"])
        what = f"course {course['id']} ({course['shortname']}, origin: {course['origin']})"
        if job is None:
            found.append(f"{what} was deleted, and no job is proven to have made it, and says that it is deleted")
        elif course["origin"] != "copy" or course["requested"] != job.shortname:
            found.append(f"{_name(job)} deleted {what}, which is not its own")
        elif course["id"] in shells:
            if not is_shell(course):
                found.append(f"{_name(job)} deleted {what} as an empty shell, which it is not")
        elif not any(event.kind in DELETED for event in job.events.all()):
            found.append(f"{_name(job)} deleted {what}, and nobody wanted that")
    return found


def _found_shell(event: JobEvent) -> bool:
    return event.kind == "shell_found"


def is_shell(course: Course) -> bool:
    """Return whether a deleted course was an empty shell: hidden, unfinished and without contents."""
    unfinished = not course["complete"] and not course["visible"]
    return bool(unfinished and course["sections"] <= 1 and not course["modules"])


def sent_twice(jobs: Iterable[DuplicationJob], calls: Calls) -> list[str]:
    """Check that no request was sent again after Moodle may have started it, by the sandbox's counts and the timeline.

    After an empty shell was deleted, one more request is allowed. A start call with an idempotency key may be repeated,
    because it makes only one course.
    """
    found = []
    jobs = list(jobs)
    idempotent_start = {job.shortname.casefold() for job in jobs if abilities(job.driver).idempotent_start}
    shells = Counter(course["requested"].casefold() for course in calls["deleted"] if is_shell(course))
    for name, asked in calls["asked"].items():
        allowed = 1 + shells[name]
        sent = 0 if name in idempotent_start else asked - calls["refused"].get(name, 0)
        if sent > allowed or calls["created"].get(name, 0) > allowed:
            found.append(f"short name {name} reached Moodle {asked} times, and more than one may have started")
    for job in jobs:
        sent = False
        kinds = [event.kind for event in job.events.all()]
        for kind in kinds:
            if kind == "sent" and sent:
                found.append(f"{_name(job)} was sent a second time")
            sent = kind == "sent" or (sent and kind not in WITHDRAWN)
        if kinds.count("shell_deleted") > SHELLS_MOST:
            found.append(f"{_name(job)} was sent again after {kinds.count('shell_deleted')} empty courses")
    return found


def disturbed(calls: Calls) -> list[str]:
    """Check that no new course was looked up in its first milliseconds, which would break its restore."""
    return [f"the course for short name {name} was looked up too early" for name in calls["disturbed"]]


def unexplained_courses(jobs: Iterable[DuplicationJob], courses: Iterable[Course], page: Page) -> list[str]:
    """Check that every new course belongs to a job, and that the job's page names a partial course."""
    by_name = {job.shortname: job for job in jobs}
    found = []
    for course in courses:
        if course["origin"] != "copy":
            continue
        job = by_name.get(course["requested"])
        what = f"course {course['id']} ({course['shortname']}), asked for as {course['requested']},"
        if job is None:
            found.append(f"{what} was made for no job")
        elif not course["complete"] and course["id"] not in linked_courses(page(job)):
            found.append(f"{what} is partial, and {_name(job)}, which is {job.state}, does not name it")
    return found


def unexplained(jobs: list[DuplicationJob], courses: list[Course], page: Page) -> list[str]:
    """Check that the page of an unresolved job says what was looked up, and names every course that may be its copy."""
    found = []
    own = {job.course_id: job for job in jobs if job.is_proven}
    for job in jobs:
        if job.state != State.UNRESOLVED:
            continue
        reasons = [event.reason for event in job.events.all() if event.to_state == State.UNRESOLVED]
        if not any(job.shortname in reason for reason in reasons):
            found.append(f"{_name(job)} is unresolved, and does not name the course that was checked")
        # If it is proven which course is the copy, no other course can be the copy.
        candidates = [] if job.is_proven else [course for course in courses if _may_be(job, course)]
        missing = {course["id"] for course in candidates} - own.keys() - linked_courses(page(job))
        found += [f"{_name(job)} is unresolved, and does not name course {id}, which may be its own" for id in missing]
    return found


def _may_be(job: DuplicationJob, course: Course) -> bool:
    """Return whether a new course is in the requested category and has a name that the copy can have."""
    baseline = job.baseline or {}
    names = {name.casefold() for name in (job.shortname, *baseline.get("names", []))}
    return (
        course["origin"] != "seed"
        and course["id"] not in baseline.get("present", [])
        and course["category"] == job.category_id
        and course["shortname"].casefold() in names
    )


def linked_courses(page: str) -> set[int]:
    """Return the ids of the courses to which a page links."""
    text = html.unescape(re.sub(r"<[^>]*>", " ", page))
    return {int(id) for id in re.findall(r"\b(?:id|course)\s+(\d+)\b", text, re.IGNORECASE)}


def incomplete_timelines(jobs: Iterable[DuplicationJob]) -> list[str]:
    """Check that each job's events are a complete chain of allowed transitions with reasons, up to its state."""
    found = []
    for job in jobs:
        state = ""
        for event in job.events.all():
            legal = event.to_state == state or not state or event.to_state in TRANSITIONS[state]
            if event.from_state != state or not legal:
                found.append(
                    f"{_name(job)}: {event.kind} goes from {event.from_state} to {event.to_state}, not {state}"
                )
            if not event.reason.strip():
                found.append(f"{_name(job)}: {event.kind} says no reason")
            state = event.to_state
        if state != job.state:
            found.append(f"{_name(job)} is {job.state}, and its story ends {state}")
    return found


def _name(job: DuplicationJob) -> str:
    return f"job {job.pk} ({job.shortname})"

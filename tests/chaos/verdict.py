"""What must hold when the storm is over. Each function returns the violations it found, as sentences."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import MOVES, TERMINAL, State

Course = dict[str, Any]
# What puts a sent job back into the queue, each with Moodle's proof that nothing was started.
WITHDRAWN = {"again_later", "source_busy", "paused"}


def violations(jobs: list[DuplicationJob], courses: list[Course], calls: dict[str, dict[str, int]]) -> list[str]:
    """All violations, each naming its job or course."""
    return [
        *not_settled(jobs),
        *untrue(jobs, courses),
        *sent_twice(jobs, calls),
        *unnamed(jobs, courses),
        *broken_stories(jobs),
    ]


def not_settled(jobs: Iterable[DuplicationJob]) -> list[str]:
    """Every job is terminal, or unresolved."""
    settled = TERMINAL | {State.UNRESOLVED}
    return [f"job {job.pk} ({job.shortname}) is still {job.state}" for job in jobs if job.state not in settled]


def untrue(jobs: Iterable[DuplicationJob], courses: Iterable[Course]) -> list[str]:
    """Succeeded if and only if exactly one complete course with the requested names exists."""
    complete = Counter((course["shortname"], course["fullname"]) for course in courses if course["complete"])
    ids = {course["id"]: course for course in courses}
    found = []
    for job in jobs:
        count = complete[job.shortname, job.fullname]
        if count != (job.state == State.SUCCEEDED):
            found.append(f"job {job.pk} ({job.shortname}) is {job.state}, and {count} complete courses are its own")
        if job.state == State.SUCCEEDED and ids.get(job.course_id or 0, {}).get("shortname") != job.shortname:
            found.append(f"job {job.pk} ({job.shortname}) names course {job.course_id}, which is another")
    return found


def sent_twice(jobs: Iterable[DuplicationJob], calls: dict[str, dict[str, int]]) -> list[str]:
    """No short name was sent again after Moodle may have started: by Moodle's count, and by our own story."""
    found = []
    for name, asked in calls["asked"].items():
        if asked - calls["refused"].get(name, 0) > 1 or calls["created"].get(name, 0) > 1:
            found.append(f"short name {name} reached Moodle {asked} times, and more than one may have started")
    for job in jobs:
        sent = False
        for event in job.events.all():
            if event.kind == "sent" and sent:
                found.append(f"job {job.pk} was sent a second time")
            sent = event.kind == "sent" or (sent and event.kind not in WITHDRAWN)
    return found


def unnamed(jobs: Iterable[DuplicationJob], courses: Iterable[Course]) -> list[str]:
    """Every partial course is named by a job: as its own, or as one that may be."""
    named = {candidate["id"] for job in jobs for candidate in job.candidates} | {job.course_id for job in jobs}
    return [
        f"course {course['id']} ({course['shortname']}) is partial, and no job names it"
        for course in courses
        if course["origin"] == "copy" and not course["complete"] and course["id"] not in named
    ]


def broken_stories(jobs: Iterable[DuplicationJob]) -> list[str]:
    """The events of each job are an unbroken chain of legal moves that ends where the job is."""
    found = []
    for job in jobs:
        state = ""
        for event in job.events.all():
            legal = event.to_state == state or not state or event.to_state in MOVES[state]
            if event.from_state != state or not legal:
                found.append(
                    f"job {job.pk}: {event.kind} goes from {event.from_state} to {event.to_state}, not {state}"
                )
            state = event.to_state
        if state != job.state:
            found.append(f"job {job.pk} is {job.state}, and its story ends {state}")
    return found

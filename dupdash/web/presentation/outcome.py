"""Describes how a job ended and what it left in Moodle, for the top of the job page."""

from dataclasses import dataclass, replace
from typing import Any

from dupdash.duplication.advice import Reader, what_to_do
from dupdash.duplication.candidates import reasons
from dupdash.duplication.course_dates import day_of
from dupdash.duplication.course_settings import LABELS
from dupdash.duplication.engine.verification import why_not_verified
from dupdash.duplication.explanations import explain_failure, raw_moodle_error
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.name_display import isolate
from dupdash.duplication.states import State

VERIFIED = "Verified: all requested sections and activities were copied"


@dataclass(frozen=True)
class Callout:
    level: str
    title: str
    means: str = ""
    do: str = ""


@dataclass(frozen=True)
class CourseInMoodle:
    """A course that a job made or may have made, as the last lookup showed it."""

    id: int
    url: str
    fullname: str
    shortname: str
    visibility: str
    # If there is no proof that the course is the job's copy: the reasons for and against this.
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verification:
    complete: bool
    title: str
    summary: str
    # What is missing in the copy, and what only the copy has: lines such as "Quiz “Week 3”, 2 times", "and 30 more".
    missing: tuple[str, ...]
    extra: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    callouts: tuple[Callout, ...] = ()
    partial: CourseInMoodle | None = None
    candidates: tuple[CourseInMoodle, ...] = ()
    verification: Verification | None = None
    verification_pending: bool = False
    # The error that Moodle sent, or else the error that dupdash recorded.
    moodle_words: str = ""
    details: str = ""


def outcome_of(job: DuplicationJob, health: MoodleHealth, reader: Reader, *, raw: bool) -> Outcome:
    """Return the outcome as ``reader`` may see it.

    ``raw`` adds Moodle's error messages and the candidates, for administrators and the help desk only.
    """
    shown = raw and job.state in (State.UNRESOLVED, State.FAILED)
    made = job.verification if not why_not_verified(job.verification) else None
    return Outcome(
        callouts=(*_callouts(job, reader), *_not_verified(job)),
        partial=partial_course(job, health) if job.left_partial_course else None,
        candidates=candidates_of(job, health) if shown else (),
        verification=_verification(made) if made else None,
        verification_pending=job.state == State.SUCCEEDED and job.verification is None,
        moodle_words=raw_moodle_error(job) if raw else "",
        details=_details(job) if raw else "",
    )


def partial_course(job: DuplicationJob, health: MoodleHealth | None = None) -> CourseInMoodle:
    """Return the course that the job certainly made, as the last lookup showed it, sometimes with a temporary name.

    If no lookup showed it, it has the requested names.
    """
    last = job.own_course or {"shortname": job.shortname, "fullname": job.fullname}
    return _course({**last, "id": job.course_id}, health)


def candidates_of(job: DuplicationJob, health: MoodleHealth) -> tuple[CourseInMoodle, ...]:
    """Return the courses that this job may have made, each with the reasons for and against it."""
    return tuple(replace(_course(seen, health), reasons=reasons(job, seen)) for seen in job.candidates)


def _course(seen: dict[str, Any], health: MoodleHealth | None) -> CourseInMoodle:
    return CourseInMoodle(
        id=int(seen["id"]),
        url=course_url(int(seen["id"]), health),
        fullname=str(seen.get("fullname", "")),
        shortname=str(seen.get("shortname", "")),
        visibility=_VISIBILITY[seen.get("visible")],
    )


_VISIBILITY: dict[object, str] = {
    True: "Students can see it.",
    False: "Students cannot see it.",
    None: "It is not known whether students can see it.",
}


def _callouts(job: DuplicationJob, reader: Reader) -> list[Callout]:
    match job.state:
        case State.FAILED:
            why = explain_failure(job)
            return [Callout("danger", why.happened, why.means, what_to_do(job, reader)), *_kept_shell(job)]
        case State.UNRESOLVED:
            return [_unresolved(job, reader)]
        case State.SUCCEEDED if job.cancel_requested_at is not None:
            return [
                Callout(
                    "warning",
                    "This copy was cancelled, but Moodle made it and dupdash did not delete it.",
                    "The complete course is in Moodle. The activity below says why it was not deleted.",
                    "If nobody needs the course, delete it in Moodle.",
                )
            ]
        case State.REJECTED:
            refused = job.events.filter(kind="rejected").last()
            return [Callout("warning", "This copy was refused.", refused.reason if refused else "")]
    return []


def _kept_shell(job: DuplicationJob) -> list[Callout]:
    """Explain why dupdash did not delete the empty shell; empty if it left none."""
    kept = job.events.filter(kind="shell_kept").last()
    return [Callout("warning", "An empty course was left in Moodle.", kept.reason)] if kept else []


def _unresolved(job: DuplicationJob, reader: Reader) -> Callout:
    if reader.is_administrator:
        do = "Check in Moodle whether the course exists, then select “Record the result”."
    else:
        do = "Nothing for now: a course administrator checks in Moodle and records the result here."
    later = "shows it here" if job.cancel_requested_at is None else "deletes it, because it was cancelled"
    return Callout(
        "warning",
        "It is not known whether this copy was made.",
        "The short name stays reserved. dupdash does not send the request again, because that could make two courses. "
        f"If the copy appears in Moodle later, dupdash {later}.",
        do,
    )


def _not_verified(job: DuplicationJob) -> tuple[Callout, ...]:
    why = why_not_verified(job.verification)
    if job.state != State.SUCCEEDED or not why:
        return ()
    title = "This copy could not be compared with its source."
    return (Callout("warning", title, why, "Check the copy in Moodle before you use it."),)


def _verification(report: dict[str, Any]) -> Verification:
    sections, activities = report["sections"], report["activities"]
    expected = activities["expected"]
    summary = (
        f"Sections: {sections['matched']} of {sections['expected']}. "
        f"Activities and resources: {activities['matched']} of {expected}."
    )
    if expected != (count := activities["source"]):
        were = "activity of the source was" if count == 1 else "activities of the source were"
        summary += f" The {count} {were} not requested."
    summary += "".join(f" {_wrong_setting(one)}" for one in report.get("settings", []))
    if left_out := report.get("left_out"):
        summary += f" Not compared, because Moodle could not list them completely: {left_out}."
    complete = bool(report["complete"])
    return Verification(
        complete=complete,
        title=VERIFIED if complete else "The copy differs from its source",
        summary=summary,
        missing=_differences(sections, activities, "missing"),
        extra=_differences(sections, activities, "extra"),
    )


def _wrong_setting(one: dict[str, Any]) -> str:
    def shown(value: Any) -> str:
        return str(day_of(value) or "none") if isinstance(value, int) else f"“{isolate(value or '')}”"

    return f"The {LABELS[one['name']]} is {shown(one['copy'])} instead of {shown(one['wanted'])}."


def _differences(sections: dict[str, Any], activities: dict[str, Any], word: str) -> tuple[str, ...]:
    lines = [_line(_section(str(entry["type"])), entry) for entry in sections[word]]
    lines += [_line(str(entry["type"]).capitalize(), entry) for entry in activities[word]]
    if more := sections[f"more_{word}"] + activities[f"more_{word}"]:
        lines.append(f"and {more} more")
    return tuple(lines)


def _section(type: str) -> str:
    """Return the label of a section: its number, or "Subsection" for a section inside an activity.

    ``type``: the number or, for a subsection, the plugin of the activity, as ``comparison.compare`` reports them.
    """
    return f"Section {isolate(type)}" if type.isdecimal() else "Subsection"


def _line(what: str, entry: dict[str, Any]) -> str:
    times = f", {entry['count']} times" if entry["count"] > 1 else ""
    return f"{what} “{isolate(entry['name'])}”{times}"


def _details(job: DuplicationJob) -> str:
    """Return the stored code and message of a failure that was not an error of Moodle; "" for other jobs."""
    if job.moodle_error or not (job.failure_code or job.failure_message):
        return ""
    return f"{job.failure_code or 'no error code'}\n{job.failure_message}".strip()

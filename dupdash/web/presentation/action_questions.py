"""Writes the questions that ask a person to confirm an action on a job, for pages and dialogs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from dupdash.accounts.access import Action
from dupdash.duplication.jobs import after_cancelling, is_stopped_by_moodle, why_no_retry
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.name_display import quote_course
from dupdash.duplication.transitions import WAITING
from dupdash.web.presentation.outcome import partial_course


@dataclass(frozen=True)
class Question:
    title: str
    text: str
    # The label of the button that does the action; "" if there is nothing to confirm.
    confirm: str
    # The message after the action.
    done: str
    danger: bool = False
    # The label of the button that leaves the job as it is.
    keep: str = "Back to the job"
    # A time that follows the text. The page shows it in the reader's time zone.
    moment: datetime | None = None


SETTLED_THOUGH_CANCELLED = (
    " The job was cancelled: dupdash deletes the course if it is proven to come from this job. Any other course stays."
)


def question(verb: Action, job: DuplicationJob) -> Question:
    copy = quote_course(job.fullname, job.shortname)
    match verb:
        case Action.CANCEL:
            return _cancel(job, copy)
        case Action.RETRY if refusal := why_no_retry(job):
            return Question("This copy cannot be tried again now", refusal, "", "")
        case Action.RETRY:
            return Question(
                "Try this copy again?",
                f"dupdash requests {copy} again, with the same category and options.",
                "Try again",
                "Requested again. This is the page of the new attempt.",
                keep="Don’t try again",
            )
        case Action.DELETE_PARTIAL if job.may_have_left_course:
            return Question(
                "Delete a course that this job may have left?",
                "No course is proven to come from this job. Read the reasons, check the course in Moodle, and select "
                "the one to delete. dupdash checks it once more, and then deletes the whole course.",
                "Delete in Moodle",
                "The course was deleted in Moodle.",
                danger=True,
                keep="Keep the course",
            )
        case Action.DELETE_PARTIAL if not job.left_partial_course:
            return Question(
                "Delete the partial course?",
                "There is nothing to delete: this job left no partial course in Moodle.",
                "",
                "",
            )
        case Action.DELETE_PARTIAL:
            course = partial_course(job)
            return Question(
                "Delete the partial course?",
                f"Course {course.id}, {quote_course(course.fullname, course.shortname)}, will be deleted in Moodle. "
                f"{course.visibility} dupdash checks the course once more before it deletes it.",
                "Delete in Moodle",
                "The partial course was deleted in Moodle.",
                danger=True,
                keep="Keep the course",
            )
        case Action.APPROVE:
            return _approve(job, copy)
        case Action.REJECT:
            return Question(
                "Refuse this copy?",
                f"{copy} will not be made. The requester can read your reason.",
                "Refuse",
                f"{copy} is refused. The requester can read your reason.",
                danger=True,
                keep="Don’t refuse",
            )
        case _:
            return Question(
                "Record what you found in Moodle",
                f"Check in Moodle whether {copy} exists, and record the result here. You cannot change it later."
                + (SETTLED_THOUGH_CANCELLED if job.cancel_requested_at else ""),
                "Save the result",
                "The result is saved.",
            )


def _approve(job: DuplicationJob, copy: str) -> Question:
    question = Question(
        "Approve this copy?",
        f"dupdash makes {copy} as soon as possible.",
        "Approve",
        f"{copy} is approved.",
        keep="Don’t approve",
    )
    if job.not_before is None or job.not_before <= timezone.now():
        return question
    return replace(question, text=f"dupdash makes {copy} at this time:", moment=job.not_before)


def _cancel(job: DuplicationJob, copy: str) -> Question:
    if job.state in WAITING:
        return Question(
            "Cancel this copy?",
            f"{copy} has not been started. It will not be made.",
            "Cancel the copy",
            f"{copy} is cancelled. Nothing had been started.",
            danger=True,
            keep="Keep the copy",
        )
    return Question(
        "Cancel this copy and delete it?",
        after_cancelling(job, copy),
        "Cancel and delete the copy",
        f"{copy} is cancelled. {after_cancelling(job)}",
        danger=True,
        keep="Keep running",
    )


def after_cancelling_all(jobs: Iterable[DuplicationJob]) -> str:
    """Return sentences that say what happens to the copies if all these unfinished jobs are cancelled."""
    waiting = stopped = finished = 0
    for job in jobs:
        if job.state in WAITING:
            waiting += 1
        elif is_stopped_by_moodle(job):
            stopped += 1
        else:
            finished += 1
    sentences = []
    if waiting:
        sentences.append("Copies that have not started will not be made.")
    if stopped:
        copies, courses = ("1 copy", "course") if stopped == 1 else (f"{stopped:,} copies", "courses")
        sentences.append(f"Moodle stops {copies} and deletes the new {courses}.")
    if finished:
        copies, them = ("1 copy", "it") if finished == 1 else (f"{finished:,} copies", "them")
        sentences.append(f"dupdash deletes {copies} when Moodle has finished {them}.")
    return " ".join(sentences)

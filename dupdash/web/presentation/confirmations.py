"""What is asked before a verb is done, on a page of its own and in the dialog alike."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from dupdash.accounts.access import Action
from dupdash.duplication.jobs import why_no_retry
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import quote_course
from dupdash.web.presentation.outcome import partial_course


@dataclass(frozen=True)
class Question:
    title: str
    text: str
    # Empty where there is nothing to do.
    confirm: str
    done: str
    danger: bool = False
    keep: str = "Not now"
    # The text ends with it: the page tells it in the reader's time zone.
    moment: datetime | None = None


SETTLED_THOUGH_CANCELLED = (
    " It was cancelled: a course that is proven to be this job's is then removed; any other one stays in Moodle."
)


def question(verb: Action, job: DuplicationJob) -> Question:
    copy = quote_course(job.fullname, job.shortname)
    match verb:
        case Action.CANCEL:
            return _cancel(job, copy)
        case Action.RETRY if refusal := why_no_retry(job):
            return Question("This copy cannot be tried again now", refusal, "", "", keep="Back to the job")
        case Action.RETRY:
            return Question(
                "Try this copy again?",
                f"A new job asks Moodle once more for {copy}, with the same category and options.",
                "Try again",
                "A new attempt was made. This is its page.",
            )
        case Action.DELETE_PARTIAL if job.may_have_left_course:
            return Question(
                "Delete a course that this job may have left?",
                "No course is proven to come from this job. Read the reasons, look at the course in Moodle, and choose "
                "the one to delete. It is deleted as a whole; it is looked up once more right before.",
                "Delete it in Moodle",
                "The course was deleted in Moodle.",
                danger=True,
                keep="Keep it",
            )
        case Action.DELETE_PARTIAL if not job.left_partial_course:
            return Question(
                "Delete the partial course?",
                "There is nothing to delete: this job left no partial course in Moodle.",
                "",
                "",
                keep="Back to the job",
            )
        case Action.DELETE_PARTIAL:
            course = partial_course(job)
            return Question(
                "Delete the partial course?",
                f"Course {course.id}, {quote_course(course.fullname, course.shortname)}, will be deleted in Moodle. "
                f"{course.visibility} dupdash checks the course once more right before.",
                "Delete it in Moodle",
                "The partial course was deleted in Moodle.",
                danger=True,
                keep="Keep it",
            )
        case Action.APPROVE:
            return _approve(job, copy)
        case Action.REJECT:
            return Question(
                "Refuse this copy?",
                f"{copy} is not made. The requester reads your reason.",
                "Refuse",
                "Refused. The requester can read your reason.",
                danger=True,
            )
        case _:
            return Question(
                "Settle this job",
                f"Look in Moodle for {copy}, and say here what became of it. This cannot be taken back."
                + (SETTLED_THOUGH_CANCELLED if job.cancel_requested_at else ""),
                "Settle",
                "Settled.",
            )


def _approve(job: DuplicationJob, copy: str) -> Question:
    title, confirm = "Approve this copy?", "Approve"
    if job.not_before is None or job.not_before <= timezone.now():
        text = f"{copy} is then copied as soon as a place is free."
        return Question(title, text, confirm, "Approved. It runs as soon as a place is free.")
    text = f"{copy} is then copied, but not before this time:"
    return Question(title, text, confirm, "Approved. It starts at the time that was asked for.", moment=job.not_before)


def _cancel(job: DuplicationJob, copy: str) -> Question:
    if job.state in (State.AWAITING_APPROVAL, State.QUEUED):
        return Question(
            "Cancel this copy?",
            f"{copy} has not been started. It will not be made.",
            "Cancel the copy",
            "Cancelled. Nothing had been started.",
            danger=True,
            keep="Let it go on",
        )
    return Question(
        "Cancel this copy and have it removed?",
        f"Moodle cannot be stopped while it copies. {copy} is removed as soon as Moodle is done with it.",
        "Cancel and remove the copy",
        "Cancelled. The copy is removed as soon as Moodle is done with it.",
        danger=True,
        keep="Let it go on",
    )

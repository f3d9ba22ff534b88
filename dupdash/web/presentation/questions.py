"""What is asked before a verb is done, on a page of its own and in the dialog alike."""

from dataclasses import dataclass

from dupdash.accounts.access import Verb
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.web.presentation.outcome import partial_course


@dataclass(frozen=True)
class Question:
    title: str
    text: str
    confirm: str
    done: str
    danger: bool = False
    keep: str = "Not now"


SETTLED_THOUGH_CANCELLED = (
    " It was cancelled: a course that is proven to be this job's is then removed; any other one stays in Moodle."
)


def question(verb: Verb, job: DuplicationJob) -> Question:
    copy = f"“{job.fullname}” ({job.shortname})"
    match verb:
        case Verb.CANCEL:
            return _cancel(job, copy)
        case Verb.RETRY:
            return Question(
                "Try this copy again?",
                f"A new job asks Moodle once more for {copy}, with the same category and options.",
                "Try again",
                "A new attempt was made. This is its page.",
            )
        case Verb.DELETE_PARTIAL:
            course = partial_course(job)
            return Question(
                "Delete the partial course?",
                f"Course {course.id}, “{course.fullname}” ({course.shortname}), is deleted in Moodle as a whole. "
                f"{course.visibility} It is looked at once more right before.",
                "Delete it in Moodle",
                "The partial course was deleted in Moodle.",
                danger=True,
                keep="Keep it",
            )
        case Verb.APPROVE:
            return Question(
                "Approve this copy?",
                f"{copy} is then copied as soon as a place is free.",
                "Approve",
                "Approved. It runs as soon as a place is free.",
            )
        case Verb.REJECT:
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

"""What this person may do with this job now, as buttons."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse

from dupdash.accounts import access
from dupdash.accounts.access import Verb
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.site import course_url
from dupdash.duplication.states import State
from dupdash.web.presentation.questions import Question, question

if TYPE_CHECKING:
    from django.contrib.auth.models import User

URL_NAMES: dict[Verb, str] = {
    Verb.APPROVE: "jobs:approve",
    Verb.REJECT: "jobs:reject",
    Verb.CANCEL: "jobs:cancel",
    Verb.RETRY: "jobs:retry",
    Verb.DELETE_PARTIAL: "jobs:delete_partial",
    Verb.SETTLE: "jobs:settle",
}
# These need more than a yes: the link leads to their page.
WITH_A_FORM = frozenset({Verb.REJECT, Verb.SETTLE, Verb.APPROVE})


@dataclass(frozen=True)
class Action:
    id: str
    label: str
    url: str
    icon: str
    primary: bool = False
    danger: bool = False
    # Asked in a dialog where there are scripts, else on the page behind the link.
    question: Question | None = None


def actions(job: DuplicationJob, user: "User", health: MoodleHealth) -> list[Action]:
    """The most likely one first, and primary."""
    found: list[Action] = []

    def offer(verb: Verb, label: str, icon: str, *, primary: bool = False, danger: bool = False) -> None:
        if access.may(user, verb, job):
            asked = None if verb in WITH_A_FORM else question(verb, job)
            url = reverse(URL_NAMES[verb], args=[job.pk])
            name = verb.name.lower().replace("_", "-")
            found.append(Action(f"{name}-job", label, url, icon, primary, danger, asked))

    match job.state:
        case State.AWAITING_APPROVAL:
            offer(Verb.APPROVE, "Approve", "succeeded", primary=True)
            if access.may(user, Verb.APPROVE, job):
                edit = reverse("jobs:edit", args=[job.pk])
                found.append(Action("edit-and-approve", "Edit first", edit, "edit"))
            offer(Verb.REJECT, "Refuse", "rejected")
            offer(Verb.CANCEL, "Cancel", "cancelled")
        case State.UNRESOLVED:
            offer(Verb.SETTLE, "Settle", "person", primary=True)
        case State.FAILED | State.CANCELLED:
            # What was left comes first: the copy that is made next should be the only one.
            if job.left_partial_course and health.may_delete:
                offer(Verb.DELETE_PARTIAL, "Delete the partial course", "failed", danger=True)
            offer(Verb.RETRY, "Try again", "retry", primary=not found)
            if may_ask_again(job, user):
                found.append(_ask_again(job, "Edit and retry"))
        case State.REJECTED if may_ask_again(job, user):
            found.append(_ask_again(job, "Ask again, with changes"))
        case State.SUCCEEDED:
            if job.course_id and job.course_deleted_at is None:
                found.append(Action("open-copy", "Open in Moodle", course_url(job.course_id), "outside", primary=True))
            if may_ask_again(job, user):
                found.append(_ask_again(job, "Copy again"))
    unstoppable = job.state in (State.RUNNING, State.CHECKING, State.UNRESOLVED)
    if job.state == State.QUEUED or (unstoppable and job.cancel_requested_at is None):
        offer(Verb.CANCEL, "Cancel", "cancelled")
    return found


def may_ask_again(job: DuplicationJob, user: "User") -> bool:
    """Whether this person may fill in the form with this job: asking makes a job of their own.

    Whether it is time for that says ``jobs.why_not_again``.
    """
    return access.may_submit(user) and access.may(user, Verb.RETRY, job)


def _ask_again(job: DuplicationJob, label: str) -> Action:
    return Action("edit-and-retry", label, f"{reverse('jobs:request')}?from={job.pk}", "edit")

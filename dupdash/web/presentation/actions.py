"""Lists the buttons of a job page: the actions that are possible for this person and this job now."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.urls import reverse

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.states import State
from dupdash.web.presentation.action_questions import Question, question

# These actions need input, so the button leads to a page with a form instead of opening a dialog.
WITH_A_FORM = frozenset({Action.REJECT, Action.SETTLE, Action.APPROVE})
# These actions need no confirmation, because they can be taken back: the new attempt can be cancelled.
AT_ONCE = frozenset({Action.RETRY})


@dataclass(frozen=True)
class ActionLink:
    id: str
    label: str
    url: str
    icon: str
    primary: bool = False
    danger: bool = False
    # The confirmation for the dialog. In browsers without scripts the link leads to a page with the same text.
    question: Question | None = None
    # Whether the button runs the action without a confirmation.
    at_once: bool = False


def actions(job: DuplicationJob, user: User, health: MoodleHealth) -> list[ActionLink]:
    """Return the possible actions. The first one is the most likely one and usually the primary button."""
    found: list[ActionLink] = []

    def offer(verb: Action, label: str, icon: str, *, primary: bool = False, danger: bool = False) -> None:
        if access.may(user, verb, job):
            with_form = verb in WITH_A_FORM or (verb == Action.DELETE_PARTIAL and job.may_have_left_course)
            asked = None if with_form or verb in AT_ONCE else question(verb, job)
            # Such as DELETE_PARTIAL: the URL jobs:delete_partial, and the id delete-partial-job.
            name = verb.name.lower()
            url, id = reverse(f"jobs:{name}", args=[job.pk]), f"{name.replace('_', '-')}-job"
            found.append(ActionLink(id, label, url, icon, primary, danger, asked, verb in AT_ONCE))

    match job.state:
        case State.AWAITING_APPROVAL:
            offer(Action.APPROVE, "Approve", "succeeded", primary=True)
            if access.may(user, Action.APPROVE, job):
                edit = reverse("jobs:edit", args=[job.pk])
                found.append(ActionLink("edit-and-approve", "Edit and approve", edit, "edit"))
            offer(Action.REJECT, "Refuse", "rejected")
        case State.UNRESOLVED:
            offer(Action.SETTLE, "Record the result", "person", primary=True)
        case State.FAILED | State.CANCELLED:
            # Deleting the partial course comes before the retry, so that only one copy will be left in Moodle.
            if (job.left_partial_course or job.may_have_left_course) and health.may_delete:
                left = "the partial course" if job.left_partial_course else "a possible partial course"
                offer(Action.DELETE_PARTIAL, f"Delete {left}", "failed", danger=True)
            if job.can_be_retried:
                offer(Action.RETRY, "Try again", "retry", primary=not found)
            if job.can_be_retried and may_request_again(job, user):
                found.append(_request_again(job, "Edit and try again"))
        case State.REJECTED if not job.is_retried and may_request_again(job, user):
            found.append(_request_again(job, "Edit and request again"))
        case State.SUCCEEDED:
            if job.course_id and job.course_deleted_at is None:
                found.append(
                    ActionLink(
                        "open-copy", "Open in Moodle", course_url(job.course_id, health), "outside", primary=True
                    )
                )
            if may_request_again(job, user):
                found.append(_request_again(job, "Copy again"))
    if job.can_be_cancelled:
        offer(Action.CANCEL, "Cancel", "cancelled")
    return found


def may_request_again(job: DuplicationJob, user: User) -> bool:
    """Return whether this person may open the request form, filled in with this job, to request a copy of their own.

    ``jobs.why_no_new_request`` says whether the job is in a state that allows it.
    """
    return access.may_submit(user) and access.may(user, Action.RETRY, job)


def _request_again(job: DuplicationJob, label: str) -> ActionLink:
    return ActionLink("edit-and-retry", label, f"{reverse('jobs:request')}?from={job.pk}", "edit")

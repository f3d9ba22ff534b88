"""Decides what each person may see and do. Pages, job actions and web services all use this module.

A user of None means the command line: a person with a shell on the host may do everything that an administrator may.
Functions with a ``client`` ask Moodle, and raise MoodleError if it does not answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q, QuerySet

from dupdash.duplication.models import Batch, DuplicationJob, JobQuerySet
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.options import user_data
from dupdash.moodle.records import Category

if TYPE_CHECKING:
    from dupdash.duplication.request import DuplicationRequest


class Role(StrEnum):
    """The three roles. The values are the names of Django groups."""

    ADMINISTRATOR = "Course administrators"
    FACULTY = "Faculty"
    HELP_DESK = "Help desk"


class Action(StrEnum):
    APPROVE = "approve"
    REJECT = "refuse"
    CANCEL = "cancel"
    RETRY = "retry"
    DELETE_PARTIAL = "delete the partial course of"
    SETTLE = "settle"
    FOLLOW_UP = "follow up"


class NotAllowed(Exception):
    """The person has no permission. The message is shown to them."""


class NotTaught(NotAllowed):
    """This person does not teach the course, or there is no such course.

    The message is the same for both, so that nobody learns which courses exist by requesting copies.
    """

    def __init__(self) -> None:
        super().__init__(
            "No course that you teach was found. You can copy courses where Moodle lists you as a teacher."
        )


def roles(user: User | AnonymousUser | None) -> frozenset[Role]:
    """Return the roles of a person, from their groups. Superusers and the command line are administrators."""
    if user is None:
        return frozenset({Role.ADMINISTRATOR})
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    known: frozenset[Role] | None = getattr(user, "_roles", None)
    if known is None:
        names = set(user.groups.values_list("name", flat=True))
        known = frozenset(role for role in Role if role.value in names)
        if user.is_superuser:
            known |= {Role.ADMINISTRATOR}
        user._roles = known  # type: ignore[attr-defined]
    return known


def is_administrator(user: User | AnonymousUser | None) -> bool:
    return Role.ADMINISTRATOR in roles(user)


def has_role(user: User | AnonymousUser | None) -> bool:
    """Return whether this person has any role. Without a role a person may not use dupdash."""
    return bool(roles(user))


def sees_all_jobs(user: User | AnonymousUser | None) -> bool:
    return bool(roles(user) & {Role.ADMINISTRATOR, Role.HELP_DESK})


def visible_jobs(user: User | AnonymousUser | None) -> JobQuerySet:
    """Return the jobs that this person may see. Pages of all other jobs answer 404."""
    return DuplicationJob.objects.filter(_visible(user))


def may_see(user: User | AnonymousUser | None, job: DuplicationJob) -> bool:
    # The requester is checked first, because this needs no query.
    return _is_own(user, job) or sees_all_jobs(user)


def may_roll_over(user: User | AnonymousUser | None) -> bool:
    """Return whether this person may request a whole list of copies, from a file or from a category."""
    return is_administrator(user)


def visible_batches(user: User | AnonymousUser | None) -> QuerySet[Batch]:
    """Return the batches that this person may see. Pages of all other batches answer 404."""
    return Batch.objects.filter(_visible(user))


def _visible(user: User | AnonymousUser | None) -> Q:
    """Return the condition for the jobs and batches that this person may see: all, their own, or none."""
    if sees_all_jobs(user):
        return Q()
    return Q(requester=user) if user is not None and user.is_authenticated else Q(pk__in=())


def may_manage_batch(user: User | AnonymousUser | None, batch: Batch) -> bool:
    """Return whether this person may pause, resume, change, cancel and undo a batch.

    Administrators may do this with any batch, faculty with their own.
    """
    return is_administrator(user) or _own_as_faculty(user, batch)


def require_batch_manager(user: User | AnonymousUser | None, batch: Batch) -> None:
    """Raise NotAllowed unless this person may pause, resume, change, cancel and undo the batch."""
    if not may_manage_batch(user, batch):
        raise NotAllowed("You may not change this batch.")


def may_submit(user: User | AnonymousUser | None) -> bool:
    """Return whether this person may request copies at all."""
    return bool(roles(user) & {Role.ADMINISTRATOR, Role.FACULTY})


def may_copy_user_data(user: User | AnonymousUser | None) -> bool:
    return is_administrator(user) or settings.FACULTY_MAY_COPY_USER_DATA


def needs_approval(user: User | AnonymousUser | None) -> bool:
    return not is_administrator(user) and settings.FACULTY_NEEDS_APPROVAL


def _is_own(user: User | AnonymousUser | None, requested: DuplicationJob | Batch) -> bool:
    return user is not None and user.is_authenticated and requested.requester_id == user.pk


def _own_as_faculty(user: User | AnonymousUser | None, requested: DuplicationJob | Batch) -> bool:
    return Role.FACULTY in roles(user) and _is_own(user, requested)


def _help_desk(user: User | AnonymousUser | None, job: DuplicationJob) -> bool:
    return Role.HELP_DESK in roles(user)


def _help_desk_by_policy(user: User | AnonymousUser | None, job: DuplicationJob) -> bool:
    return Role.HELP_DESK in roles(user) and settings.HELP_DESK_MAY_RETRY


_Rule = Callable[[User | AnonymousUser | None, DuplicationJob], bool]

# The roles that may do each action. Administrators may do every action.
_RULES: dict[Action, tuple[_Rule, ...]] = {
    Action.CANCEL: (_own_as_faculty,),
    Action.RETRY: (_own_as_faculty, _help_desk_by_policy),
    Action.FOLLOW_UP: (_help_desk,),
}


def may(user: User | AnonymousUser | None, action: Action, job: DuplicationJob) -> bool:
    """Return whether a person's role allows this action on this job. The state of the job is not checked."""
    return is_administrator(user) or any(rule(user, job) for rule in _RULES.get(action, ()))


def require(user: User | AnonymousUser | None, action: Action, job: DuplicationJob) -> None:
    """Raise NotAllowed unless the person's role allows this action on this job."""
    if not may(user, action, job):
        raise NotAllowed(f"You may not {action} this job.")


@dataclass(frozen=True)
class RequestedCopy:
    """The parts of a request on which the permission depends: source, category and options."""

    source_id: int
    category_id: int
    options: dict[str, int]


def require_submit(
    user: User | AnonymousUser | None, copy: "RequestedCopy | DuplicationRequest", client: MoodleClient
) -> None:
    """Raise NotAllowed unless this person may request this copy.

    Faculty may copy the courses that they teach. dupdash asks Moodle each time: it finds the Moodle user by email
    address or username, and the course must list that user as a contact.
    """
    if is_administrator(user):
        return
    if user is None or Role.FACULTY not in roles(user):
        raise NotAllowed("You may see jobs, but not request copies.")
    # This check comes first, so that every request for another teacher's course gets the same answer.
    require_teaching(user, copy.source_id, client)
    if not may_copy_user_data(user) and user_data(copy.options):
        raise NotAllowed("Only course administrators may copy people and their work.")
    if not category_is_allowed(user, copy.category_id, client):
        raise NotAllowed("You may not copy courses into this category.")


def require_teaching(user: User | AnonymousUser | None, course_id: int, client: MoodleClient) -> None:
    """Raise NotTaught unless this person may copy this course, and NotAllowed if Moodle does not know the person."""
    if is_administrator(user):
        return
    if user is None or moodle_user_id(user, client) not in taught_by(course_id, client):
        raise NotTaught


def category_is_allowed(user: User | AnonymousUser | None, category_id: int, client: MoodleClient) -> bool:
    """Return whether this person may copy into the category: faculty only into FACULTY_CATEGORIES and below."""
    if is_administrator(user) or not settings.FACULTY_CATEGORIES:
        return True
    return any(category.id == category_id and may_copy_into(user, category) for category in client.categories())


def may_copy_into(user: User | AnonymousUser | None, category: Category) -> bool:
    """Return whether this person may copy into a category that was already read from Moodle."""
    if is_administrator(user) or not settings.FACULTY_CATEGORIES:
        return True
    allowed = {str(entry) for entry in settings.FACULTY_CATEGORIES}
    return bool(allowed & set(category.path.strip("/").split("/")))


def taught_by(course_id: int, client: MoodleClient) -> frozenset[int]:
    """Return the Moodle user ids of a course's contacts, by default its editing teachers; empty without a course."""
    course = client.course_by_id(course_id)
    return frozenset(contact.id for contact in course.contacts) if course else frozenset()


def moodle_user_id(user: User | AnonymousUser, client: MoodleClient) -> int:
    """Return the Moodle user id of this person. Raises NotAllowed unless exactly one Moodle user matches."""
    found: set[int] = set()
    if user.is_authenticated:
        for field, value in (("email", user.email), ("username", user.username)):
            if value:
                found |= {match.id for match in client.users_by_field(field, value)}
    if not found:
        raise NotAllowed("No Moodle user has your email address or username. Ask a course administrator.")
    if len(found) > 1:
        raise NotAllowed("Several Moodle users match your email address and username. Ask a course administrator.")
    return found.pop()


def first_state(user: User | AnonymousUser | None) -> State:
    """Return the state in which a new job of this person begins."""
    return State.AWAITING_APPROVAL if needs_approval(user) else State.QUEUED

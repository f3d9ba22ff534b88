"""Tests the permissions of each role for each action, on own jobs and on jobs of other people."""
# ruff: noqa: F811 - the fixtures are imported, and named as parameters

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed, RequestedCopy, Role
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.options import effective
from dupdash.sandbox.records import User as MoodleUser
from tests.conftest import make_person
from tests.duplication.fixtures import client_of, moodle  # noqa: F401 - fixtures
from tests.duplication.support import Moodle, a_job

pytestmark = pytest.mark.django_db

# The actions that roles other than administrators may do: on their own jobs, and on jobs of other people.
HELP_DESK = {Action.FOLLOW_UP}
OWN = {"faculty": {Action.CANCEL, Action.RETRY}, "help desk": HELP_DESK, "outsider": set(), "nobody": set()}
OTHERS: dict[str, set[Action]] = {"faculty": set(), "help desk": HELP_DESK, "outsider": set(), "nobody": set()}
OTHERS_BY_POLICY: dict[str, set[Action]] = OTHERS | {"help desk": {Action.RETRY, *HELP_DESK}}


@pytest.fixture
def people(administrator: User, faculty: User, help_desk: User, outsider: User) -> dict[str, Any]:
    return {"faculty": faculty, "help desk": help_desk, "outsider": outsider, "nobody": AnonymousUser()}


@pytest.mark.parametrize("verb", list(Action))
@pytest.mark.parametrize("who", list(OTHERS))
@pytest.mark.parametrize("policy", [False, True])
def test_each_role_may_do_exactly_its_actions(
    people: dict[str, Any], settings: Any, who: str, verb: Action, policy: bool
) -> None:
    settings.HELP_DESK_MAY_RETRY = policy
    user = people[who]
    own = a_job(State.FAILED, "OWN", requester=user if user.is_authenticated else None)
    foreign = a_job(State.FAILED, "FOREIGN", requester=make_person("somebody", Role.FACULTY))
    on_own = OWN[who] | (OTHERS_BY_POLICY if policy else OTHERS)[who]
    on_foreign = (OTHERS_BY_POLICY if policy else OTHERS)[who]
    assert access.may(user, verb, own) is (verb in on_own)
    assert access.may(user, verb, foreign) is (verb in on_foreign)
    for job, allowed in ((own, verb in on_own), (foreign, verb in on_foreign)):
        if allowed:
            access.require(user, verb, job)
        else:
            with pytest.raises(NotAllowed, match="You may not"):
                access.require(user, verb, job)


@pytest.mark.parametrize("verb", list(Action))
def test_administrator_superuser_and_command_line_may_do_everything(
    administrator: User,
    verb: Action,
) -> None:
    root = User.objects.create_superuser("root")
    job = a_job(requester=make_person("somebody", Role.FACULTY))
    assert all(access.may(user, verb, job) for user in (administrator, root, None))


@pytest.mark.parametrize("verb", list(Action))
def test_inactive_user_may_do_nothing(administrator: User, verb: Action) -> None:
    administrator.is_active = False
    administrator.save()
    again = User.objects.get(pk=administrator.pk)
    assert not access.may(again, verb, a_job(requester=again))


@pytest.mark.parametrize("verb", list(Action))
def test_job_of_the_command_line_belongs_to_no_faculty_member(faculty: User, verb: Action) -> None:
    assert not access.may(faculty, verb, a_job(requester=None))
    assert not access.may(AnonymousUser(), verb, a_job(requester=None, shortname="NEW-2"))


def test_everybody_sees_own_jobs_and_some_roles_all(people: dict[str, Any], administrator: User) -> None:
    faculty_member, helper, stranger = people["faculty"], people["help desk"], people["outsider"]
    own = a_job(shortname="OWN", requester=faculty_member)
    foreign = a_job(shortname="FOREIGN", requester=administrator)
    nobodys = a_job(shortname="COMMAND")
    every = {own, foreign, nobodys}
    for user, seen in (
        (administrator, every),
        (None, every),
        (helper, every),
        (faculty_member, {own}),
        (stranger, set()),
        (AnonymousUser(), set()),
    ):
        assert set(access.visible_jobs(user)) == seen
        assert {job for job in every if access.may_see(user, job)} == seen


def test_only_some_roles_may_request_copies(people: dict[str, Any], administrator: User) -> None:
    assert access.may_submit(administrator)
    assert access.may_submit(None)
    assert [who for who, user in people.items() if access.may_submit(user)] == ["faculty"]


def test_only_faculty_requests_need_approval(
    faculty: User,
    administrator: User,
    settings: Any,
) -> None:
    settings.FACULTY_NEEDS_APPROVAL = True
    assert access.first_state(faculty) == State.AWAITING_APPROVAL
    assert access.first_state(administrator) == access.first_state(None) == State.QUEUED
    settings.FACULTY_NEEDS_APPROVAL = False
    assert access.first_state(faculty) == State.QUEUED


# --- The courses that faculty may copy, as Moodle lists them ---------------------------------------------------


@pytest.fixture
def asking(moodle: Moodle, client_of: MoodleClient) -> Iterator[MoodleClient]:
    return client_of  # type: ignore[return-value]


def wish(moodle: Moodle, source: str = "BIO101-2026S1", category_id: int = 2, **options: bool) -> RequestedCopy:
    return RequestedCopy(moodle.course(source).id, category_id, effective(options))


def test_faculty_may_copy_courses_that_they_teach(faculty: User, moodle: Moodle, asking: MoodleClient) -> None:
    access.require_submit(faculty, wish(moodle), asking)


def test_faculty_may_not_copy_courses_of_others(
    faculty: User,
    moodle: Moodle,
    asking: MoodleClient,
) -> None:
    with pytest.raises(NotAllowed, match="No course that you teach was found"):
        access.require_submit(faculty, wish(moodle, "CHE101-2026S1"), asking)


def test_taught_courses_are_read_from_moodle_each_time(faculty: User, moodle: Moodle, asking: MoodleClient) -> None:
    course = moodle.course("BIO101-2026S1")
    moodle.change(course.id, teachers=())
    with pytest.raises(NotAllowed):
        access.require_submit(faculty, wish(moodle), asking)


@pytest.mark.parametrize(
    ("username", "email"),
    [("faculty", "other@example.edu"), ("other", "faculty@example.edu"), ("FACULTY", "FACULTY@EXAMPLE.EDU")],
)
def test_person_is_found_by_username_or_email_address(
    moodle: Moodle,
    asking: MoodleClient,
    username: str,
    email: str,
) -> None:
    user = make_person("x", Role.FACULTY)
    user.username, user.email = username, email
    access.require_submit(user, wish(moodle), asking)


def test_person_unknown_to_moodle_teaches_nothing(
    db: None,
    moodle: Moodle,
    asking: MoodleClient,
) -> None:
    stranger = make_person("stranger", Role.FACULTY)
    with pytest.raises(NotAllowed, match="No Moodle user has your email address or username"):
        access.require_submit(stranger, wish(moodle), asking)


def test_ambiguous_person_is_not_matched(
    faculty: User,
    moodle: Moodle,
    asking: MoodleClient,
) -> None:
    """The email address belongs to one Moodle user and the username to another, so neither is matched."""
    faculty.email = "helpdesk@example.edu"
    with pytest.raises(NotAllowed, match="Several Moodle users"):
        access.require_submit(faculty, wish(moodle), asking)


def test_shared_email_address_is_not_matched(
    faculty: User,
    moodle: Moodle,
    asking: MoodleClient,
) -> None:
    moodle.state.users[9999] = MoodleUser(9999, "twin", "Fatima", "Castellan", "faculty@example.edu")
    with pytest.raises(NotAllowed, match="Several Moodle users"):
        access.require_submit(faculty, wish(moodle), asking)


@pytest.mark.parametrize("email", ["", "nobody@example.edu"])
def test_person_without_email_address_is_matched_by_username(
    faculty: User, moodle: Moodle, asking: MoodleClient, email: str
) -> None:
    faculty.email = email
    access.require_submit(faculty, wish(moodle), asking)


def test_faculty_may_copy_only_into_allowed_categories(
    faculty: User,
    administrator: User,
    moodle: Moodle,
    asking: MoodleClient,
    settings: Any,
) -> None:
    """Faculty may copy into the allowed categories and their subcategories, administrators into every category."""
    deep = next(category for category in moodle.state.categories.values() if category.depth == 3)
    top, middle = (int(step) for step in deep.path.strip("/").split("/")[:2])
    elsewhere = next(
        category for category in moodle.state.categories.values() if category.depth == 1 and category.id != top
    )
    settings.FACULTY_CATEGORIES = [middle]
    access.require_submit(faculty, wish(moodle, category_id=deep.id), asking)
    access.require_submit(faculty, wish(moodle, category_id=middle), asking)
    for category_id in (top, elsewhere.id, 98765):
        with pytest.raises(NotAllowed, match="into this category"):
            access.require_submit(faculty, wish(moodle, category_id=category_id), asking)
        access.require_submit(administrator, wish(moodle, category_id=category_id), asking)


def test_category_1_is_not_mistaken_for_10(
    faculty: User,
    moodle: Moodle,
    asking: MoodleClient,
    settings: Any,
) -> None:
    ten = next(category for category in moodle.state.categories.values() if category.id >= 10 and category.depth == 1)
    settings.FACULTY_CATEGORIES = [int(str(ten.id)[0])]
    with pytest.raises(NotAllowed):
        access.require_submit(faculty, wish(moodle, category_id=ten.id), asking)


USER_DATA = ["users", "enrolments", "role_assignments", "comments", "userscompletion", "logs", "grade_histories"]


@pytest.mark.parametrize("option", USER_DATA)
def test_only_administrators_may_copy_user_data(
    faculty: User,
    administrator: User,
    moodle: Moodle,
    asking: MoodleClient,
    settings: Any,
    option: str,
) -> None:
    carrying = RequestedCopy(moodle.course("BIO101-2026S1").id, 2, {option: True})
    with pytest.raises(NotAllowed, match="people and their work"):
        access.require_submit(faculty, carrying, asking)
    access.require_submit(administrator, carrying, asking)
    settings.FACULTY_MAY_COPY_USER_DATA = True
    access.require_submit(faculty, carrying, asking)


@pytest.mark.parametrize("option", ["activities", "blocks", "filters"])
def test_faculty_may_choose_options_without_user_data(
    faculty: User,
    moodle: Moodle,
    asking: MoodleClient,
    option: str,
) -> None:
    access.require_submit(faculty, RequestedCopy(moodle.course("BIO101-2026S1").id, 2, {option: True}), asking)


def test_help_desk_and_outsiders_may_not_request_copies(
    help_desk: User,
    outsider: User,
    moodle: Moodle,
    asking: MoodleClient,
) -> None:
    for user in (help_desk, outsider):
        with pytest.raises(NotAllowed, match="not request copies"):
            access.require_submit(user, wish(moodle), asking)


def test_faculty_may_request_nothing_while_moodle_is_unreachable(
    faculty: User,
    moodle: Moodle,
    asking: MoodleClient,
) -> None:
    asked = wish(moodle)
    moodle.faults.set("html", function="core_user_get_users_by_field")
    with pytest.raises(MoodleError):
        access.require_submit(faculty, asked, asking)
    assert DuplicationJob.objects.count() == 0


def test_administrator_check_needs_no_moodle(
    administrator: User,
    moodle: Moodle,
    asking: MoodleClient,
) -> None:
    asked = wish(moodle)
    moodle.faults.set("refuse", seconds=3600)
    access.require_submit(administrator, asked, asking)

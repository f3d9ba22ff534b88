"""Signs people in with their Moodle username and password. Moodle checks the password; dupdash does not store it."""

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from dupdash.accounts.access import Role
from dupdash.duplication.moodle_clients import open_client
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.password_check import PasswordAnswer, check_password
from dupdash.moodle.records import User as MoodleUser
from dupdash.moodle.transport import Secret, Timeouts

logger = logging.getLogger("dupdash.accounts")

# The role that a new account gets, for each value of MOODLE_SIGN_IN_ROLE.
ROLES = {"faculty": Role.FACULTY, "help_desk": Role.HELP_DESK, "none": None}
NAME_LONGEST = 150


class MoodleBackend(ModelBackend):
    """Has Moodle check the passwords of people who have no password in dupdash, if MOODLE_SIGN_IN is true."""

    @sensitive_variables("password", "secret")
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        if not settings.MOODLE_SIGN_IN or not username or not password:
            return None
        name = username.strip().lower()
        if _has_password_here(name):
            # dupdash's own passwords are never sent to Moodle, not even mistyped ones.
            return None
        secret = Secret(password)
        timeouts = Timeouts(settings.MOODLE_CONNECT_TIMEOUT, settings.MOODLE_READ_TIMEOUT)
        answer = check_password(settings.MOODLE_URL, name, secret, settings.MOODLE_SIGN_IN_SERVICE, timeouts)
        if answer == PasswordAnswer.RIGHT:
            return _signed_in(name, request)
        if answer == PasswordAnswer.NONE:
            _cannot_ask(request, "it gave no answer about a password")
        return None


def _has_password_here(name: str) -> bool:
    return any(account.has_usable_password() for account in User.objects.filter(username__iexact=name))


def _signed_in(name: str, request: HttpRequest | None) -> User | None:
    """Return the account of a Moodle user whose password was correct; None if the person may not sign in.

    The account is created if necessary.
    """
    try:
        with open_client() as client:
            people = client.users_by_field("username", name)
    except MoodleError as error:
        _cannot_ask(request, str(error))
        return None
    if len(people) != 1 or not people[0].email:
        logger.warning("a Moodle sign-in was refused: Moodle shows no single user with an email address")
        return None
    account = _account(people[0], name)
    if account is not None and request is not None:
        request.signed_in_by = "Moodle"  # type: ignore[attr-defined]
    return account if account is not None and account.is_active else None


def _account(person: MoodleUser, name: str) -> User | None:
    """Return the account with both this username and this email address; a new one if no account has either.

    Returns None if an account has only one of the two, because that account may belong to somebody else.
    """
    same_name = User.objects.filter(username__iexact=name).first()
    if same_name is not None:
        if same_name.email.lower() == person.email.lower():
            return same_name
        logger.warning("a Moodle sign-in was refused: the account %s has another email address", same_name.pk)
        return None
    if User.objects.filter(email__iexact=person.email).exists():
        logger.warning("a Moodle sign-in was refused: another account has the email address of this Moodle user")
        return None
    return _make_account(person, name)


def _make_account(person: MoodleUser, name: str) -> User:
    role = ROLES[settings.MOODLE_SIGN_IN_ROLE]
    first, _, last = "".join(filter(str.isprintable, person.fullname)).rpartition(" ")
    with transaction.atomic():
        account = User.objects.create_user(
            name, person.email, first_name=first[:NAME_LONGEST], last_name=last[:NAME_LONGEST]
        )
        if role is not None:
            account.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return account


def _cannot_ask(request: HttpRequest | None, why: str) -> None:
    logger.warning("nobody can sign in with Moodle: %s", why)
    if request is not None:
        request.moodle_is_away = True  # type: ignore[attr-defined]

"""Authentication backends: the limit of attempts, which comes before every check of a password, and local accounts."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from dupdash.accounts.attempt_limits import SIGN_IN, admit
from dupdash.accounts.client_address import client_address

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class AttemptLimitBackend:
    """First in AUTHENTICATION_BACKENDS: refuses an attempt before any other backend sees the password.

    It authenticates nobody, so it has no ``get_user``: Django must not choose it for a session.

    It leaves an Admission at ``request.admission``, with the waiting time for the sign-in page.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> None:
        if request is None or username is None:
            return
        admission = admit(SIGN_IN, username, client_address(request))
        request.admission = admission  # type: ignore[attr-defined]
        request.attempted_account = username  # type: ignore[attr-defined]
        if admission.wait:
            raise PermissionDenied


class LocalAccountBackend(ModelBackend):
    """Accounts with a password in this database, if LOCAL_PASSWORDS is set."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> "User | None":
        if not settings.LOCAL_PASSWORDS:
            return None
        return super().authenticate(request, username=username, password=password, **more)

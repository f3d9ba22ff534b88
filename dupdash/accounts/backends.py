"""Authentication backends: AttemptLimitBackend limits attempts, and LocalAccountBackend signs in local accounts."""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from dupdash.accounts.attempt_limits import SIGN_IN, admit
from dupdash.accounts.client_address import client_address


class AttemptLimitBackend:
    """Refuses too many sign-in attempts. It is the first backend: the others see no password of a refused attempt.

    This backend authenticates nobody, so it has no ``get_user`` and Django never uses it for a session. It sets
    ``request.admission``, from which the sign-in page shows the waiting time.
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
    """Signs in accounts with a password in this database, if LOCAL_PASSWORDS is true."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        if not settings.LOCAL_PASSWORDS:
            return None
        return super().authenticate(request, username=username, password=password, **more)

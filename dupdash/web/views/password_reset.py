"""Resets forgotten passwords by email, with Django's views. The response is the same for every email address."""

from typing import Any

from django.conf import settings
from django.contrib.auth import views as auth
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase

from dupdash.accounts.attempt_limits import SIGN_IN, forget
from dupdash.accounts.audit import record
from dupdash.accounts.client_address import client_address
from dupdash.accounts.models import AuditKind
from dupdash.accounts.password_reset import request_reset


class _LocalPasswordsOnly:
    """Answers 404 unless LOCAL_PASSWORDS is set, because only local accounts have a password in dupdash."""

    def dispatch(self, request: HttpRequest, *arguments: Any, **more: Any) -> HttpResponseBase:
        if not settings.LOCAL_PASSWORDS:
            raise Http404
        response: HttpResponseBase = super().dispatch(request, *arguments, **more)  # type: ignore[misc]
        return response


class AddressForm(PasswordResetForm):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.fields["email"].label = "Email address"


class Request(_LocalPasswordsOnly, auth.PasswordResetView):
    form_class = AddressForm

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        request_reset(form.cleaned_data["email"], client_address(self.request))
        # Skips Django's form_valid, which would look up the account and send the email within this request.
        return super(auth.PasswordResetView, self).form_valid(form)


class Confirm(_LocalPasswordsOnly, auth.PasswordResetConfirmView):
    """The page that the link in the email opens. Django first moves the secret from the URL into the session."""

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        response = super().form_valid(form)
        account = form.user.get_username()
        forget(SIGN_IN, account)
        record(AuditKind.PASSWORD_SET, actor=form.user, subject=account, detail="by email")
        return response

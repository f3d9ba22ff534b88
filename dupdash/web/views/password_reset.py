"""Password reset by mail: Django's views in our pages. Every e-mail address gets the same answer."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import views as auth
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from dupdash.accounts.attempt_limits import SIGN_IN, forget
from dupdash.accounts.audit import record
from dupdash.accounts.client_address import client_address
from dupdash.accounts.models import AuditKind
from dupdash.accounts.password_reset import request_reset

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class _LocalPasswordsOnly:
    """There is nothing to reset where nobody has a password here."""

    def dispatch(self, request: HttpRequest, *arguments: Any, **more: Any) -> HttpResponseBase:
        if not settings.LOCAL_PASSWORDS:
            raise Http404
        response: HttpResponseBase = super().dispatch(request, *arguments, **more)  # type: ignore[misc]
        return response


class AddressForm(PasswordResetForm):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.fields["email"].label = "E-mail address"


class Request(_LocalPasswordsOnly, auth.PasswordResetView):
    template_name = "registration/password_reset.html"
    form_class = AddressForm
    success_url = reverse_lazy("password_reset_done")

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        request_reset(form.cleaned_data["email"], client_address(self.request))
        # Not Django's own, which would look up the account and mail it within this request.
        return super(auth.PasswordResetView, self).form_valid(form)


class Sent(auth.PasswordResetDoneView):
    template_name = "registration/password_reset_sent.html"


@method_decorator(never_cache, name="dispatch")
class Confirm(_LocalPasswordsOnly, auth.PasswordResetConfirmView):
    """The address in the mail. Django moves the secret from the address into the session before it shows the form."""

    template_name = "registration/password_reset_confirm.html"
    success_url = reverse_lazy("password_reset_complete")

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        response = super().form_valid(form)
        account = form.user.get_username()
        forget(SIGN_IN, account)
        record(AuditKind.PASSWORD_SET, actor=form.user, subject=account, detail="by a mail")
        return response


class Complete(auth.PasswordResetCompleteView):
    template_name = "registration/password_reset_done.html"

"""Signs people in and out, and answers forms that fail Django's CSRF check."""

from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse

from dupdash.accounts.attempt_limits import Admission
from dupdash.accounts.sign_in_provider import provider_name, used_single_sign_on
from dupdash.web import kept_form
from dupdash.web.responses import see_other
from dupdash.web.url_permissions import PERMISSIONS

TOO_MANY_REQUESTS = 429
# With this query parameter the sign-in page offers to sign out at the provider, too.
SIGNED_OUT_OF_SSO = "signed-out"


class SignIn(LoginView):
    def post(self, request: HttpRequest, *arguments: Any, **more: Any) -> HttpResponse:
        if not _takes_passwords():
            raise PermissionDenied
        return super().post(request, *arguments, **more)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if wait := _wait(self.request):
            response.status_code = TOO_MANY_REQUESTS
            response["Retry-After"] = str(wait)
        return response

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context = super().get_context_data(**more)
        wait = _wait(self.request)
        context |= {
            "kept": kept_form.is_kept(self.request, self.get_redirect_url()),
            "moodle_is_away": getattr(self.request, "moodle_is_away", False),
            "with_moodle": settings.MOODLE_SIGN_IN,
            "local_passwords": settings.LOCAL_PASSWORDS,
            "wait": f"Try again in {_minutes(wait)}." if wait else "",
        }
        if not _takes_passwords():
            context["form"] = None
        return context | _single_sign_on(self.request, self.get_redirect_url())


class SignOut(LogoutView):
    """Signs a person out of dupdash. After OpenID Connect the next page offers to sign out at the provider, too."""

    def post(self, request: HttpRequest, *arguments: Any, **more: Any) -> HttpResponse:
        # Signing out at a SAML provider is not offered.
        from_sso = settings.OIDC_ISSUER and used_single_sign_on(request)
        response = super().post(request, *arguments, **more)
        return see_other(f"{reverse('login')}?{SIGNED_OUT_OF_SSO}") if from_sso else response


def _takes_passwords() -> bool:
    return bool(settings.LOCAL_PASSWORDS or settings.MOODLE_SIGN_IN)


def _single_sign_on(request: HttpRequest, wanted: str) -> dict[str, str]:
    name = provider_name()
    if not name:
        return {}
    signed_out = SIGNED_OUT_OF_SSO in request.GET and not request.user.is_authenticated
    return {
        "sso_name": name,
        "sso_url": f"{reverse('sso')}?{urlencode({'next': wanted})}" if wanted else reverse("sso"),
        "sso_sign_out_url": reverse("sso_sign_out") if signed_out else "",
    }


def _wait(request: HttpRequest) -> int:
    """Return the seconds until the next attempt is allowed; 0 if it is allowed now."""
    admission: Admission | None = getattr(request, "admission", None)
    return admission.wait if admission is not None else 0


def _minutes(seconds: int) -> str:
    minutes = ceil(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else "one minute"


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that fails the CSRF check, for example after a new sign-in in another tab or without cookies.

    The form has no effect. If it came from a page of dupdash that has ``keeps_form`` in PERMISSIONS, the input is
    stored, and the person is redirected to a new form that contains it.
    """
    if _keeps_form(request) and kept_form.comes_from_own_page(request) and kept_form.keep(request):
        if request.user.is_authenticated:
            return see_other(request.get_full_path())
        return redirect_to_login(request.get_full_path())
    return render(request, "403_csrf.html", status=403)


def _keeps_form(request: HttpRequest) -> bool:
    try:
        name = resolve(request.path_info).view_name
    except Resolver404:
        return False
    return name in PERMISSIONS and PERMISSIONS[name].keeps_form

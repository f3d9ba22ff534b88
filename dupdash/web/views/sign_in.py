"""The sign-in, which says why it is asked for, and what happens to a form whose page is out of date."""

from typing import Any

from django.contrib.auth.views import LoginView, redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve

from dupdash.web import kept_form
from dupdash.web.permissions import PERMISSIONS
from dupdash.web.responses import see_other


class SignIn(LoginView):
    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return super().get_context_data(**more) | {"kept": kept_form.is_kept(self.request, self.get_redirect_url())}


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was sent from a page of another session: after a new sign-in in another tab, or without cookies.

    Nothing is done. What was typed into a form that is worth keeping comes back on a fresh page of the same address,
    if it was really sent from a page of this site.
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

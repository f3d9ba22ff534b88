"""The page for people who have an account but no role. It says how to get a role."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from dupdash.accounts.sign_in_provider import groups_give_roles, provider_name


def no_role_page(request: HttpRequest) -> HttpResponse:
    """Return the page, as a 403. It leads back to the page that the person wanted to open."""
    context = {
        "sso_name": provider_name() if groups_give_roles(request) else "",
        "wanted": request.get_full_path() if request.method == "GET" else reverse("overview"),
    }
    return render(request, "registration/no_role.html", context, status=403)

"""Types and helpers for requests and responses of the views."""

from collections.abc import Mapping

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django_htmx.http import HTMX_STOP_POLLING
from django_htmx.middleware import HtmxDetails


class PersonRequest(HttpRequest):
    """A request that passed the check of ``private_path``: somebody is signed in."""

    user: User
    htmx: HtmxDetails


class SeeOther(HttpResponseRedirect):
    """A redirect after a POST (303), so that a reload sends nothing again."""

    status_code = 303


def see_other(to: str, *arguments: object) -> SeeOther:
    return SeeOther(resolve_url(to, *arguments))


def partial(request: HttpRequest, template: str, context: Mapping[str, object], *, last: bool = False) -> HttpResponse:
    """Return a part of a page, which no cache may store; ``last`` ends the polling."""
    response = render(request, template, context, status=HTMX_STOP_POLLING if last else 200)
    return no_store(response)


def no_content() -> HttpResponse:
    """Return an empty response (204), after which htmx changes nothing on the page."""
    return no_store(HttpResponse(status=204))


def no_store(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response

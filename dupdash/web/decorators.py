"""Checks permissions before a view runs: for every URL except those of the sign-in, and for the job of a URL."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event
from django_htmx.middleware import HtmxDetails

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.web import kept_form
from dupdash.web.no_role_page import no_role_page
from dupdash.web.responses import PersonRequest, no_content, see_other
from dupdash.web.url_permissions import PERMISSIONS, Permission

P = ParamSpec("P")

SESSION_ENDED = {
    "level": "warning",
    "text": "Your session has ended. Go on typing: your input is kept, and you sign in when you send the form.",
}


# For a page that shows a form and also takes it.
require_safe_or_POST = require_http_methods(["GET", "HEAD", "POST"])


def private_path(route: str, view: Callable[..., HttpResponseBase], *, name: str) -> URLPattern:
    """Return a URL whose view runs only if ``PERMISSIONS`` allows this person to open the URL.

    People who are not signed in are sent to the sign-in. Others get a 403, which tells a person without a role how to
    get one, or a 404 if the permission is ``hidden``.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: object, **kwargs: object) -> HttpResponseBase:
        rule = _rule_of(request)
        if not request.user.is_authenticated:
            return _sign_in(request, rule)
        if not rule.may(request.user):
            if rule.hidden:
                raise Http404
            if not access.has_role(request.user):
                return no_role_page(request)
            raise PermissionDenied
        response = view(request, *args, **kwargs)
        # The page is for one person: no shared cache may store it, and the browser must check before it shows it again.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return path(route, wrapped, name=name)


def with_job(
    view: Callable[Concatenate[PersonRequest, DuplicationJob, P], HttpResponse],
) -> Callable[Concatenate[PersonRequest, ...], HttpResponse]:
    """Pass the job in the URL to the view.

    Answers 404 for a job that the person may not see, and 403 for an action that they may not do.
    """

    @wraps(view)
    def wrapped(request: PersonRequest, /, job_id: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        visible = access.visible_jobs(request.user).select_related("requester", "assignee", "retry_of")
        job = get_object_or_404(visible, pk=job_id)
        verb = _rule_of(request).verb
        if verb is not None and not access.may(request.user, verb, job):
            raise PermissionDenied
        return view(request, job, *args, **kwargs)

    return wrapped


def part_of(
    page: str,
) -> Callable[
    [Callable[Concatenate[PersonRequest, P], HttpResponse]], Callable[Concatenate[PersonRequest, P], HttpResponse]
]:
    """Mark a view as a part of ``page``, which has the same arguments.

    A browser that opens the URL of the part is redirected to the page.
    """

    def decorate(
        view: Callable[Concatenate[PersonRequest, P], HttpResponse],
    ) -> Callable[Concatenate[PersonRequest, P], HttpResponse]:
        @wraps(view)
        def wrapped(request: PersonRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            return see_other(page, *kwargs.values()) if _is_opened_directly(request) else view(request, *args, **kwargs)

        return wrapped

    return decorate


def _is_opened_directly(request: HttpRequest) -> bool:
    """Return whether a browser opened the URL of a part of a page, instead of the page that polls this part."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    # htmx accepts everything; a browser that navigates asks for HTML.
    return not htmx and "text/html" in request.headers.get("Accept", "")


def _rule_of(request: HttpRequest) -> Permission:
    name = request.resolver_match.view_name if request.resolver_match else ""
    if name not in PERMISSIONS:
        raise ImproperlyConfigured(f"permissions.py does not say who may open {name or request.path}.")
    return PERMISSIONS[name]


def _sign_in(request: HttpRequest, rule: Permission) -> HttpResponse:
    """Redirect to the sign-in, which leads back to the requested page.

    Requests of the kinds ``background`` and ``within_form`` get 204 instead (see ``Permission``).
    """
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    if not htmx:
        if rule.keeps_form and request.method == "POST":
            kept_form.keep(request)
        return redirect_to_login(request.get_full_path())
    if rule.background:
        return no_content()
    if rule.within_form:
        return trigger_client_event(no_content(), "dupdash:toast", SESSION_ENDED)
    # The sign-in replaces the whole page, not only the part that was requested.
    return HttpResponseClientRedirect(redirect_to_login(_page_of(htmx))["Location"])


def _page_of(htmx: HtmxDetails) -> str:
    """Return the path of the page that sent this htmx request, from the header HX-Current-URL.

    It is "/" if the header is missing, invalid or of another site.
    """
    try:
        return htmx.current_url_abs_path or "/"
    except ValueError:
        return "/"

"""Keeps the session cookie when a background request of a page arrives after the session has ended."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def session_cookie_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Remove the deletion of the session cookie from responses to background requests.

    Django deletes the cookie of an ended session. The response to a background request may arrive after the response to
    a form that the person has sent meanwhile. It would then delete the cookie of the new session, which keeps the input
    of the form.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie is not None and cookie.value == "" and _is_background(request):
            del response.cookies[settings.SESSION_COOKIE_NAME]
        return response

    return answer


def _is_background(request: HttpRequest) -> bool:
    """Return whether a script of the page sent the request, and not a person who opens a page or sends a form."""
    return "HX-Request" in request.headers or request.headers.get("Sec-Fetch-Dest") == "empty"

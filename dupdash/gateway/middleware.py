"""Answers calls of the web services before the middleware of the pages runs.

Programs use no sessions and no forms, and they poll often. The middleware of the pages would double the time of a call.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from dupdash.gateway.views import server

# A security header that the skipped middleware would add. An answer for programs loads nothing.
HEADERS = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Frame-Options": "DENY"}


def gateway_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path != reverse("webservice"):
            return get_response(request)
        # Raises an error for a host that is not in ALLOWED_HOSTS, as for pages.
        request.get_host()
        response = server(request)
        for name, value in HEADERS.items():
            response[name] = value
        response["Content-Length"] = str(len(response.content))
        return response

    return middleware

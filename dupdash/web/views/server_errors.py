"""The answer to a page that failed: a plain page, and "back in a moment" while the database is away."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults

# Seconds after which the page tries again.
RETRY_AFTER = 5
# SQLite reports missing tables and columns as the same kind of error. They do not appear by themselves.
SCHEMA_FAULT = "no such"


def server_error(request: HttpRequest) -> HttpResponse:
    """Called by Django while the error is being handled, so that this is the current exception."""
    error = sys.exc_info()[1]
    if not isinstance(error, OperationalError | InterfaceError) or SCHEMA_FAULT in str(error):
        return defaults.server_error(request)
    context = {"is_safe": request.method in ("GET", "HEAD"), "retry_after": RETRY_AFTER}
    page = loader.get_template("503.html").render(context)
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"})

"""Answers requests that failed with an exception: status 503 while the database is down, otherwise status 500."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults

# The page reloads itself after this many seconds.
RETRY_AFTER = 5
# SQLite reports a missing table or column as an OperationalError, too, but waiting does not help then.
SCHEMA_FAULT = "no such"


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a failed request. Django calls this view while ``sys.exc_info`` returns the exception."""
    error = sys.exc_info()[1]
    if not isinstance(error, OperationalError | InterfaceError) or SCHEMA_FAULT in str(error):
        return defaults.server_error(request)
    context = {"is_safe": request.method in ("GET", "HEAD"), "retry_after": RETRY_AFTER}
    page = loader.get_template("503.html").render(context)
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"})

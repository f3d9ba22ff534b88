"""Provides the WSGI application for the web process: ``gunicorn dupdash.wsgi``."""

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dupdash.settings")
_django = get_wsgi_application()

_BOUNDARY = re.compile(r""";\s*boundary\s*=\s*("[^"]*"|[^\s;"]+)""", re.IGNORECASE)


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer a request with Django, after reducing the content type to its name and its boundary.

    Other parameters of a content type name a charset. Django would decode the whole request with any charset that
    Python knows, and some of these break every page. For other charsets Django raises an exception before it can
    answer, and the server then logs the whole URL. dupdash uses only UTF-8.
    """
    if given := environ.get("CONTENT_TYPE"):
        boundary = _BOUNDARY.search(given)
        environ["CONTENT_TYPE"] = given.partition(";")[0] + (f"; boundary={boundary[1]}" if boundary else "")
    return _django(environ, start_response)

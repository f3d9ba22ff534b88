"""The web process: ``gunicorn dupdash.wsgi``."""

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
    """Django's, which is told no more of a body's type than matters here: its name, and what parts a form in parts.

    All else is a charset, spelt in one way or another. Everything here is UTF-8; Django would believe any that Python
    knows, and read the address with it as well. Some break every page; and some types it cannot read at all, which it
    raises before it can answer, whereupon the server logs the whole address.
    """
    if given := environ.get("CONTENT_TYPE"):
        boundary = _BOUNDARY.search(given)
        environ["CONTENT_TYPE"] = given.partition(";")[0] + (f"; boundary={boundary[1]}" if boundary else "")
    return _django(environ, start_response)

"""Refuses requests whose body is larger than UPLOAD_LIMIT, before any of the body is read.

An uploaded list of copies can have ROLLOVER_FILE_MIB more. Calls of the web services do not get here:
gateway/form_data.py limits them, and refuses in Moodle's format.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat

LISTS = "rollover:upload"


class UploadLimitMiddleware:
    """Refuses a request whose body, including its files, is larger than UPLOAD_LIMIT.

    Django's own limit (DATA_UPLOAD_MAX_MEMORY_SIZE) counts form fields, but not files.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], arguments: list[Any], named: dict[str, Any]
    ) -> HttpResponse | None:
        length = request.META.get("CONTENT_LENGTH") or "0"
        match = request.resolver_match
        if not length.isdecimal():
            return None
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if match is not None and match.view_name == LISTS:
            # Beside the file the request has the other fields of the form.
            most += settings.ROLLOVER_FILE_MIB * 2**20
        if int(length) <= most:
            return None
        size = filesizeformat(most)
        text = (
            f"What you sent is larger than {size}. Nothing was stored. Go back, and send a smaller file or less text.\n"
        )
        return HttpResponse(text, status=413, content_type="text/plain")

"""Reads the fields of a call from the query string and the form body.

Only multipart bodies go through Django's parser. Django answers HTTP 400 to a request that breaks its limits; Moodle
never does, so such a request raises ServiceError here.
"""

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from dupdash.gateway.errors import invalid_parameter
from dupdash.gateway.parameters import Tree, decoded, parse, unflatten

FORM = "application/x-www-form-urlencoded"


def fields_of(request: HttpRequest) -> dict[str, Tree]:
    """Return the fields of the query string and the form body, parsed as in PHP. Raises ServiceError for bad input."""
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    if request.method != "POST":
        return parse(query, b"")
    # PHP reads a body without a content type as a form, and ignores bodies of other types, such as JSON.
    kind = request.content_type or FORM
    try:
        if kind == "multipart/form-data":
            return {**parse(query, b""), **_multipart(request)}
        return parse(query, request.body if kind == FORM else b"")
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError) as error:
        raise invalid_parameter(f"The request body cannot be read: {error}") from None


class _NoFiles(FileUploadHandler):
    def new_file(self, *args: object, **kwargs: object) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Do nothing. Django never calls this, because every file is skipped."""

    def file_complete(self, file_size: int) -> None:
        """Do nothing. Django never calls this, because every file is skipped."""


def _multipart(request: HttpRequest) -> dict[str, Tree]:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
        raise invalid_parameter("The request body is too large")
    request.upload_handlers = [_NoFiles(request)]
    # This keeps every byte, whatever charset the request names. Django would replace invalid UTF-8 by U+FFFD.
    request.encoding = "latin-1"
    pairs = [(_decoded(name), _decoded(str(value))) for name, values in request.POST.lists() for value in values]
    return unflatten(pairs)


def _decoded(bytes_as_latin_1: str) -> str:
    return decoded(bytes_as_latin_1.encode("latin-1"))

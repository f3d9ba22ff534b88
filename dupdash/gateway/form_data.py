"""Taking the raw fields out of a request, without Django's own parsing: its limits answer 400, Moodle never does."""

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from dupdash.gateway.errors import invalid_parameter
from dupdash.gateway.parameters import Tree, decoded, parse, unflatten

FORM = "application/x-www-form-urlencoded"


def fields_of(request: HttpRequest) -> dict[str, Tree]:
    """Query string and form body as PHP would have them. Raises ServiceError, and nothing else."""
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    if request.method != "POST":
        return parse(query, b"")
    # A body without a type is taken for a form; of any other type (JSON) PHP makes no parameters.
    kind = request.content_type or FORM
    try:
        if kind == "multipart/form-data":
            return {**parse(query, b""), **_multipart(request)}
        return parse(query, request.body if kind == FORM else b"")
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError) as error:
        raise invalid_parameter(f"The request's body cannot be read: {error}") from None


class _NoFiles(FileUploadHandler):
    def new_file(self, *args: object, **kwargs: object) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Nothing comes here: every file is skipped."""

    def file_complete(self, file_size: int) -> None:
        """Nothing comes here either."""


def _multipart(request: HttpRequest) -> dict[str, Tree]:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
        raise invalid_parameter("The request's body is too large")
    request.upload_handlers = [_NoFiles(request)]
    # Byte for byte, whatever charset is claimed: Django would put U+FFFD for what is no UTF-8, and nobody would notice.
    request.encoding = "latin-1"
    pairs = [(_decoded(name), _decoded(str(value))) for name, values in request.POST.lists() for value in values]
    return unflatten(pairs)


def _decoded(bytes_as_latin_1: str) -> str:
    return decoded(bytes_as_latin_1.encode("latin-1"))

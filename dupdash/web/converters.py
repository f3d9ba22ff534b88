"""The URL converter for the ids of jobs."""

import re

from django.urls.converters import StringConverter


class JobId(StringConverter):
    """The id of a job: 32 hexadecimal characters."""

    regex = "[0-9a-f]{32}"


def is_job_id(text: str) -> bool:
    """Return whether a text can be the id of a job."""
    return re.fullmatch(JobId.regex, text) is not None

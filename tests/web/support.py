"""What the tests of the pages share."""

import re
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import a_job

__all__ = ["a_job", "a_running_job", "form", "text", "without_tokens"]

# Of the sandbox.
BIO101 = 7
BIOLOGY_2027 = 8


def form(**changed: Any) -> dict[str, Any]:
    """A filled-in request form as a browser sends it; a value of None is left out."""
    given: dict[str, Any] = {
        "source": str(BIO101),
        "fullname": "Introduction to Biology, 2027",
        "shortname": "BIO101-2027S1",
        "category": str(BIOLOGY_2027),
        "visible": "on",
        "activities": "1",
        "blocks": "1",
        "filters": "1",
        "start": "now",
        "timezone": "UTC",
    }
    return {name: value for name, value in (given | changed).items() if value is not None}


def a_running_job(state: State = State.RUNNING, **columns: Any) -> DuplicationJob:
    """A job whose request went to Moodle a moment ago."""
    now = timezone.now()
    given: dict[str, Any] = {
        "started_at": now,
        "sent_at": now,
        "last_response_at": now,
        "phase": "backup",
        "driver": "synchronous",
    }
    return a_job(state, **(given | columns))


def without_tokens(response: HttpResponse) -> str:
    """The page without what differs at every request: the CSRF tokens."""
    return re.sub(r"(csrfmiddlewaretoken\" value=|x-csrftoken\": )\"[^\"]*\"", "", response.content.decode())


def text(response: HttpResponse) -> str:
    """The page as text, white space folded: templates may break lines where they like.

    Without tokens: they are random letters, which now and then spell what a test says is not there. Without ``<bdi>``,
    which stands around every name: ``test_text_direction.py`` checks that.
    """
    return re.sub(r"</?bdi>", "", " ".join(without_tokens(response).split()))

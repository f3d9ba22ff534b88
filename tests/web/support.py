"""Helpers for tests of pages: fill in the request form, create a running job, and compare the text of pages."""

import re
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.duplication.support import a_job

__all__ = ["a_job", "a_running_job", "form", "text", "without_tokens"]

# A course of the sandbox.
BIO101 = 7
BIOLOGY_2027 = 8


def form(**changed: Any) -> dict[str, Any]:
    """Return a filled-in request form as a browser sends it. A value of None is left out."""
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
    """Create a running job whose request was just sent to Moodle."""
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
    """Return the page without its CSRF tokens, which differ at every request."""
    return re.sub(r"(csrfmiddlewaretoken\" value=|x-csrftoken\": )\"[^\"]*\"", "", response.content.decode())


def text(response: HttpResponse) -> str:
    """Return the page as text with folded white space, without CSRF tokens and ``<bdi>`` tags.

    Tokens are random letters, which may by chance contain a word that a test must not find. Every name has a ``<bdi>``
    tag, which ``test_name_isolation.py`` tests.
    """
    return re.sub(r"</?bdi>", "", " ".join(without_tokens(response).split()))

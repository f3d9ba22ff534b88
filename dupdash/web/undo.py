"""Adds messages with a button to undo the reported action. ``components/_messages.html`` shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.http import HttpRequest

# How long an approved job does not start, so that the approval can be undone.
UNDO_FOR = timedelta(seconds=10)

# Django's messages contain only strings. These tags say what the button of a message sends, where to, and for how long.
PREFIX = "undo:"


@dataclass(frozen=True)
class Undo:
    url: str
    fields: tuple[tuple[str, str], ...]
    # The page removes the button after this many seconds; with 0 it stays.
    seconds: int


def offer_undo(
    request: HttpRequest,
    text: str,
    url: str,
    fields: Mapping[str, str] | None = None,
    *,
    within: timedelta = timedelta(0),
) -> None:
    """Add a message that reports what was done, with a button "Undo" that posts ``fields`` to ``url``.

    ``url``: a URL of dupdash. ``within``: how long undoing is possible; zero: as long as the message is shown.
    """
    tags = f"{PREFIX}{int(within.total_seconds())}:{url}?{urlencode(fields or {})}"
    messages.success(request, text, extra_tags=tags)


def undo_of(extra_tags: str | None) -> Undo | None:
    """Return the button of a message; None for a message without one."""
    if not extra_tags or not extra_tags.startswith(PREFIX):
        return None
    seconds, _, target = extra_tags.removeprefix(PREFIX).partition(":")
    url, _, query = target.partition("?")
    return Undo(url, tuple(parse_qsl(query, keep_blank_values=True)), int(seconds))

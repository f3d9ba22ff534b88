"""Adds entries to the audit log. No other module does. Entries contain no passwords, tokens or form inputs."""

import logging
from collections.abc import Callable
from contextvars import ContextVar

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from dupdash.accounts.client_address import client_address
from dupdash.accounts.models import AuditEntry, AuditKind

logger = logging.getLogger("dupdash.audit")

# The request that the current thread answers, for code that does not get the request as an argument.
_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


class AuditMiddleware:
    """Remembers the request, so that an entry can name the person and the network address behind a change."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def record(
    kind: AuditKind,
    *,
    actor: User | AnonymousUser | None = None,
    subject: str = "",
    detail: str = "",
    job_id: str = "",
) -> None:
    """Add an entry. ``actor``: the person who acted, if this is not the signed-in person of the request.

    ``subject``: whom or what the change concerns. ``detail``: what was changed. Texts that are too long are cut.
    """
    request = _request.get()
    if actor is None and request is not None:
        actor = getattr(request, "user", None)
    known = actor is not None and actor.is_authenticated
    entry = AuditEntry(
        kind=kind,
        actor=one_line(actor.get_username(), 150) if actor is not None and known else "",
        actor_id=actor.pk if actor is not None and known else None,
        subject=one_line(subject, 200),
        detail=one_line(detail, 1000),
        job_id=job_id,
        address=client_address(request) if request is not None else "",
    )
    entry.save()
    logger.info("%s: “%s” by “%s”, %s", entry.kind, entry.subject, entry.actor, entry.detail or "no details")


def one_line(text: str, longest: int) -> str:
    """Return the text on one line, without control characters, surrogates and direction overrides.

    It is cut to ``longest`` characters.
    """
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"

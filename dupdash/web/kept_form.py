"""Keeps the input of a form after the session has ended, until the same person signs in again."""

from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser, User
from django.core import signing
from django.http import HttpRequest, QueryDict

KEY = "kept_form"
SALT = "dupdash.kept_form"
# A form that a person filled in is far smaller.
LONGEST = 20_000
NOT_KEPT = frozenset({"csrfmiddlewaretoken", "owner"})


def owner_mark(user: User) -> str:
    """Return a signed mark that names the person who fills in a form, so that nobody else gets the input."""
    return signing.dumps(user.pk, salt=SALT)


def keep(request: HttpRequest) -> bool:
    """Store the form of a POST request in the session.

    Returns False if the form is too long, or has no valid signed mark of the person who filled it in (``owner_mark``).
    """
    encoded = _typed(request).urlencode()
    owner = _owner(request)
    if owner is None or len(encoded) > LONGEST:
        return False
    request.session[KEY] = {"path": request.get_full_path(), "owner": owner, "data": encoded}
    return True


def is_kept(request: HttpRequest, path: str) -> bool:
    """Return whether a form is kept for the page with this path."""
    kept = request.session.get(KEY)
    return isinstance(kept, dict) and kept.get("path") == path


def take(request: HttpRequest, user: User | AnonymousUser) -> QueryDict | None:
    """Return the form that is kept for this page, and remove it from the session.

    Returns None if no form is kept for this page, or if it belongs to another person than ``user``.
    """
    if not is_kept(request, request.get_full_path()):
        return None
    kept = request.session.pop(KEY)
    return QueryDict(kept["data"]) if kept["owner"] == user.pk else None


def comes_from_own_page(request: HttpRequest) -> bool:
    """Return whether a page of dupdash sent the request, according to the browser."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc == request.get_host()


def _typed(request: HttpRequest) -> QueryDict:
    typed = request.POST.copy()
    for name in NOT_KEPT:
        typed.pop(name, None)
    return typed


def _owner(request: HttpRequest) -> int | None:
    try:
        owner = signing.loads(request.POST.get("owner", ""), salt=SALT, max_age=7 * 24 * 3600)
    except signing.BadSignature:
        return None
    return owner if isinstance(owner, int) else None

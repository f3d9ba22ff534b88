"""Creates, finds, rate-limits and revokes API tokens. No other code handles the text of a token, its secret string."""

import hashlib
import hmac
import logging
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models import F, Q
from django.utils import timezone

from dupdash.accounts.audit import record
from dupdash.accounts.models import ApiToken, AuditKind
from dupdash.duplication.models import DuplicationJob
from dupdash.row_reader import Columns, first_row

logger = logging.getLogger("dupdash.tokens")

# The length of Moodle's own tokens, because some clients check the format.
TOKEN_BYTES = 16
TOKEN_LONGEST = 128
DAYS_DEFAULT = 365
DAYS_MOST = 3650
# The number of calls that a process reserves with one UPDATE, instead of one UPDATE for each call.
PORTION_MOST = 100


def make(owner: User, label: str, *, days: int = DAYS_DEFAULT) -> tuple[ApiToken, str]:
    """Create a token that expires after ``days``. Returns the token and its text, which is not stored.

    Raises IntegrityError if the owner has an unrevoked token with this label.
    """
    text = secrets.token_hex(TOKEN_BYTES)
    now = timezone.now()
    token = ApiToken.objects.create(
        owner=owner, label=label, sha256=_hash(text), created_at=now, expires_at=now + timedelta(days=days)
    )
    logger.info("%s made the API token %s, “%s”", owner, token.pk, label)
    record(AuditKind.TOKEN_MADE, subject=f"{label}: token {token.pk} of {owner}", detail=f"valid for {days} days")
    return token, text


def find_with_job(
    text: str, job_id: str, columns: Columns[DuplicationJob] | None
) -> tuple[ApiToken | None, DuplicationJob | None]:
    """Return the usable token with this text, and these columns of the job with this id, read with one query.

    Without such a token, both results are None. The job is also None if there is no such job, or ``columns`` is None.
    The token comes with its owner, who may be inactive. The caller must check that the owner may see the job. Every
    call reads the database, so that a revoked token stops working at once. Programs poll the status of their jobs
    often, and each further query would cost a round trip to the database.
    """
    if not text or len(text) > TOKEN_LONGEST:
        return None, None
    digest = _hash(text)
    row = first_row(_sql(columns), [digest] if columns is None else [job_id, digest])
    if row is None:
        return None, None
    owner_at, job_at = len(_TOKEN.names), len(_TOKEN.names) + len(_OWNER.names)
    token = _TOKEN.instance(row[:owner_at])
    # The database compares hashes, so the duration of the comparison reveals nothing about a token.
    if not hmac.compare_digest(token.sha256, digest) or not token.is_usable():
        return None, None
    token.owner = _OWNER.instance(row[owner_at:job_at])
    if columns is None or row[job_at] is None:
        return token, None
    return token, columns.instance(row[job_at:])


_TOKEN = Columns(ApiToken, "id", "owner_id", "label", "sha256", "expires_at", "revoked_at")
_OWNER = Columns(User, "id", "is_superuser", "username", "first_name", "last_name", "email", "is_active")


@cache
def _sql(columns_of_job: Columns[DuplicationJob] | None) -> str:
    columns, join = [_TOKEN.for_select("token"), _OWNER.for_select("owner")], ""
    if columns_of_job is not None:
        columns.append(columns_of_job.for_select("job"))
        join = f"LEFT JOIN {DuplicationJob._meta.db_table} job ON job.id = %s"
    return (
        f"SELECT {', '.join(columns)} FROM {ApiToken._meta.db_table} token "  # noqa: S608
        f"JOIN {User._meta.db_table} owner ON owner.id = token.owner_id {join} WHERE token.sha256 = %s"
    )


def revoke(token: ApiToken) -> bool:
    """Revoke a token with immediate effect. Returns False if the token was already revoked."""
    revoked = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    token.refresh_from_db()
    if revoked:
        logger.info("the API token %s, “%s”, was revoked", token.pk, token.label)
        record(AuditKind.TOKEN_REVOKED, subject=f"{token.label}: token {token.pk} of {token.owner}")
    return bool(revoked)


def admit(token: ApiToken) -> bool:
    """Count one call of a token. Returns False if the calls of this minute are used up (API_RATE_PER_MINUTE).

    Each process reserves portions of calls, and all portions of a minute are counted in the token's row. Reserved calls
    that a process does not use are lost, so a token may be refused before it has made all of its calls. The first
    portion of a minute sets ``last_used_at``. If the database cannot be written, the call is allowed.
    """
    minute = timezone.now().replace(second=0, microsecond=0)
    if (answer := _from_portion(token.pk, minute)) is not None:
        return answer
    # The lock is not held here, so that a slow database delays only this call.
    portion = _take_portion(token, minute)
    with _lock:
        if len(_portions) >= _REMEMBERED:
            _portions.clear()
        known = _portions.get(token.pk)
        # Another call may have taken a portion in the meantime; its unused calls are added.
        left = known.left if known is not None and known.minute == minute else 0
        if known is None or known.minute <= minute:
            _portions[token.pk] = _Portion(minute, left + max(0, portion - 1), used_up=portion == 0)
    return portion > 0


@dataclass
class _Portion:
    """The calls that this process may still allow in a minute. ``used_up``: whether the token has no calls left."""

    minute: datetime
    left: int
    used_up: bool


_REMEMBERED = 10_000
_lock = threading.Lock()
_portions: dict[int, _Portion] = {}


def clear_portions() -> None:
    """Forget all reserved calls, as if the process were new."""
    with _lock:
        _portions.clear()


def _from_portion(token_id: int, minute: datetime) -> bool | None:
    """Return whether a call is allowed, or None if the database must decide."""
    with _lock:
        portion = _portions.get(token_id)
        if portion is None or portion.minute != minute:
            return None
        if portion.left > 0:
            portion.left -= 1
            return True
        return False if portion.used_up else None


def _take_portion(token: ApiToken, minute: datetime) -> int:
    limit: int = settings.API_RATE_PER_MINUTE
    portion = min(PORTION_MOST, max(1, limit // 50))
    same = ApiToken.objects.filter(pk=token.pk)
    try:
        begun = same.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lt=minute))
        if begun.update(last_used_at=minute, granted=portion):
            return portion
        if same.filter(granted__lte=limit - portion).update(granted=F("granted") + portion):
            return portion
    except DatabaseError as error:
        # A call that only reads must not fail if the counter cannot be written.
        logger.warning("calls of the API token %s could not be counted: %s", token.pk, error)
        return portion
    return 0


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

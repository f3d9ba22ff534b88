"""Sends due emails: claims a row, sends the email outside of any transaction, and stores the result; retries later."""

import contextlib
import logging
import smtplib
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.utils import timezone

from dupdash.duplication.queue.database_retry import retry_until_database_up
from dupdash.notifications import daily_digest, job_mails
from dupdash.notifications.alarm_timeout import time_limit
from dupdash.notifications.models import (
    AGE_LONGEST,
    NEVER_TRIED,
    Channel,
    Delivery,
    Digest,
    Notification,
    OutboxPosition,
)
from dupdash.notifications.safe_text import one_line

logger = logging.getLogger("dupdash.mail")

# A claim expires after this time: its worker has died.
CLAIM = timedelta(minutes=6)
# Seconds after which a run starts no further email, so that this housekeeping worker is free again.
RUN_LONGEST = 20.0
# Seconds to connect to the mail server, for one email, and to close the connection.
SERVER_TIMEOUT = 30.0
CLOSE_TIMEOUT = 5.0
BATCH_SIZE = 100
# Some servers answer with a permanent error (5xx) when a mailbox is only busy, so an address gets two more attempts.
ATTEMPTS_REFUSED = 3
ERROR_LONGEST = 500

Item = Notification | Digest


def deliver() -> None:
    """Send due emails. Starts no further one after RUN_LONGEST seconds, or if the mail server is unreachable."""
    give_up_old()
    now = timezone.now()
    position = OutboxPosition.current()
    if position.next_attempt_at is not None and position.next_attempt_at > now:
        return
    due: list[Item] = [*_due_digests(now), *_due_mails(now)]
    if not due and position.failing_since is None:
        return
    deadline = time.monotonic() + RUN_LONGEST
    connection = _connection(position)
    if connection is None:
        return
    try:
        if not due:
            # No email is due, so only this connection attempt can notice that the mail server is back.
            _open(connection, position)
        for item in due:
            if time.monotonic() > deadline or not _open(connection, position):
                break
            _deliver(item, connection)
    finally:
        _close(connection)


def give_up_old() -> None:
    """Give up unsent emails and digests that are older than AGE_LONGEST. Administrators see how many were given up.

    Toasts of this age are no longer shown.
    """
    limit = timezone.now() - AGE_LONGEST
    old = Notification.objects.filter(delivery=Delivery.WAITING, created_at__lt=limit)
    old.filter(channel=Channel.PAGE).update(delivery=Delivery.SKIPPED)
    for rows in (old, Digest.objects.filter(delivery=Delivery.WAITING, created_at__lt=limit)):
        rows.filter(last_error="").update(last_error=NEVER_TRIED)
        for item in rows.select_related("recipient"):
            logger.error("%s is given up after %d days: %s", item, AGE_LONGEST.days, item.last_error)
        rows.update(delivery=Delivery.GIVEN_UP)


def _due_mails(now: datetime) -> list[Notification]:
    waiting = Notification.objects.filter(channel=Channel.MAIL, delivery=Delivery.WAITING, due_at__lte=now)
    # An approval that can still be undone is not mailed yet.
    waiting = waiting.exclude(event__job__undo_until__gt=now)
    related = ("recipient__preferences", "event__job__requester", "event__actor")
    return list(waiting.select_related(*related).order_by("due_at", "pk")[:BATCH_SIZE])


def _due_digests(now: datetime) -> list[Digest]:
    waiting = Digest.objects.filter(delivery=Delivery.WAITING, due_at__lte=now)
    return list(waiting.select_related("recipient__preferences").order_by("due_at", "pk")[:BATCH_SIZE])


def _deliver(item: Item, connection: BaseEmailBackend) -> None:
    if not _claim(item):
        return
    try:
        mail = _compose(item)
        if mail is None:
            _mark(item, Delivery.SKIPPED)
            return
        mail.connection = connection
        with time_limit(SERVER_TIMEOUT):
            taken = mail.send()
        if taken == 0:
            raise smtplib.SMTPException("The mail server did not accept the email.")
    except Exception as error:
        # A mail backend may raise anything, and a template may fail: one broken email must not block the others.
        _retry_later(item, error)
        # The state of the connection is unknown after an error.
        _close(connection)
        return
    _mark(item, Delivery.SENT)


def _claim(item: Item) -> bool:
    """Claim the message by moving ``due_at``.

    Returns False if another worker has claimed it, or if it already had all attempts; it is then given up.
    """
    same = type(item).objects.filter(pk=item.pk, delivery=Delivery.WAITING, due_at=item.due_at)
    if not same.update(due_at=timezone.now() + CLAIM, attempts=F("attempts") + 1):
        return False
    item.attempts += 1
    if item.attempts > settings.MAIL_ATTEMPTS:
        # Every earlier attempt ended without a result: the message kills its worker.
        _give_up(item, item.last_error or "The worker died at each attempt to send it.")
        return False
    return True


def _compose(item: Item) -> EmailMessage | None:
    return daily_digest.compose(item) if isinstance(item, Digest) else job_mails.compose(item)


def _mark(item: Item, delivery: Delivery) -> None:
    """Store the result of an item. Waits for the database, because an email without a stored result is sent again."""

    def write() -> None:
        done = {"delivery": delivery, "sent_at": timezone.now() if delivery == Delivery.SENT else None}
        type(item).objects.filter(pk=item.pk).update(**done)
        if isinstance(item, Digest):
            item.notifications.update(**done)

    retry_until_database_up(write)


def _retry_later(item: Item, error: Exception) -> None:
    limit = ATTEMPTS_REFUSED if _is_refusal(error) else settings.MAIL_ATTEMPTS
    message = _message_of(error)
    if item.attempts >= limit:
        _give_up(item, message)
        return
    delay = min(settings.MAIL_RETRY_LONGEST, settings.MAIL_RETRY_FIRST * 2.0 ** (item.attempts - 1))
    logger.warning("%s: attempt %d failed, the next one in %.0f s: %s", item, item.attempts, delay, message)
    due_at = timezone.now() + timedelta(seconds=delay)
    type(item).objects.filter(pk=item.pk).update(due_at=due_at, last_error=message)


def _give_up(item: Item, message: str) -> None:
    logger.error("%s is given up after attempt %d: %s", item, item.attempts, message)
    type(item).objects.filter(pk=item.pk).update(delivery=Delivery.GIVEN_UP, last_error=message)
    if isinstance(item, Digest):
        item.notifications.update(delivery=Delivery.GIVEN_UP, last_error=message)


def _is_refusal(error: Exception) -> bool:
    """Return whether the mail server permanently (5xx) refused the email address."""
    if not isinstance(error, smtplib.SMTPRecipientsRefused):
        return False
    return all(500 <= answer[0] < 600 for answer in error.recipients.values())


def _connection(position: OutboxPosition) -> BaseEmailBackend | None:
    """Return the configured mail backend; None if it cannot be created, which counts as an unreachable server."""
    try:
        return get_connection()
    except Exception as error:
        _record_outage(position, _message_of(error))
        return None


def _open(connection: BaseEmailBackend, position: OutboxPosition) -> bool:
    """Connect to the mail server. Returns False if the server is unreachable.

    Such a failure does not count as an attempt for any email.
    """
    try:
        with time_limit(SERVER_TIMEOUT):
            connection.open()
    except (Exception, SystemExit) as error:
        # A mail backend may raise anything: DNS failure, connection refused, wrong password, wrong certificate.
        _record_outage(position, _message_of(error))
        if isinstance(error, SystemExit):
            # django-q2 raises it in a task that takes too long.
            raise
        return False
    if position.failing_since is not None:
        position.failing_since = None
        OutboxPosition.objects.update(failing_since=None, failures=0, next_attempt_at=None, error="")
    return True


def _record_outage(position: OutboxPosition, message: str) -> None:
    now = timezone.now()
    failures = position.failures + 1
    delay = min(settings.MAIL_RETRY_LONGEST, settings.MAIL_RETRY_FIRST * 2.0 ** min(failures - 1, 30))
    logger.error("the mail server cannot be reached, the next attempt in %.0f s: %s", delay, message)
    OutboxPosition.objects.update(
        failing_since=position.failing_since or now,
        failures=failures,
        next_attempt_at=now + timedelta(seconds=delay),
        error=message,
    )


def _message_of(error: BaseException) -> str:
    # A server's answer may hold any characters, and PostgreSQL stores no NUL.
    return one_line(f"{type(error).__name__}: {error}", ERROR_LONGEST)


def _close(connection: BaseEmailBackend) -> None:
    with contextlib.suppress(Exception), time_limit(CLOSE_TIMEOUT):
        connection.close()

"""Sending what is due: claimed, sent outside of any transaction, and marked; or tried again later, up to a limit."""

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
from dupdash.notifications.alarm_timeout import at_most
from dupdash.notifications.models import NEVER_TRIED, TOLD_FOR, Channel, Delivery, Digest, Notification, OutboxPosition
from dupdash.notifications.safe_text import one_line

logger = logging.getLogger("dupdash.mail")

# A worker that has not marked a mail by then died with it.
CLAIM = timedelta(minutes=6)
# Seconds that one run begins to send: the others of housekeeping go on meanwhile, but this worker is missed.
SENDING_MOST = 20.0
# Seconds that the mail server is given to be reached, and for one mail; and to say good-bye, which matters to nobody.
ANSWERING_MOST = 30.0
CLOSING_MOST = 5.0
AT_ONCE = 100
# A server that refuses the address for good will do so again; twice more, for those that say so of a busy mailbox.
ATTEMPTS_REFUSED = 3
ERROR_LONGEST = 500

Item = Notification | Digest


def deliver() -> int:
    """Send what is due, as long as there is time; returns how many mails were sent."""
    give_up_old()
    now = timezone.now()
    courier = OutboxPosition.current()
    if courier.not_before is not None and courier.not_before > now:
        return 0
    due: list[Item] = [*_due_digests(now), *_due_mails(now)]
    if not due and courier.failing_since is None:
        return 0
    deadline = time.monotonic() + SENDING_MOST
    connection = _back_end(courier)
    if connection is None:
        return 0
    sent = 0
    try:
        if not due:
            # Nobody else would notice that the mail server is back.
            _open(connection, courier)
        for item in due:
            if time.monotonic() > deadline or not _open(connection, courier):
                break
            sent += _deliver(item, connection)
    finally:
        _close(connection)
    return sent


def give_up_old() -> None:
    """What could not be told for days is no news any more; a mail that this happens to is told to administrators."""
    limit = timezone.now() - TOLD_FOR
    old = Notification.objects.filter(delivery=Delivery.WAITING, created_at__lt=limit)
    old.filter(channel=Channel.PAGE).update(delivery=Delivery.SKIPPED)
    for rows in (old, Digest.objects.filter(delivery=Delivery.WAITING, created_at__lt=limit)):
        rows.filter(last_error="").update(last_error=NEVER_TRIED)
        for item in rows.select_related("recipient"):
            logger.error("%s is given up after %d days: %s", item, TOLD_FOR.days, item.last_error)
        rows.update(delivery=Delivery.GIVEN_UP)


def _due_mails(now: datetime) -> list[Notification]:
    waiting = Notification.objects.filter(channel=Channel.MAIL, delivery=Delivery.WAITING, due_at__lte=now)
    related = ("recipient__preferences", "event__job__requester", "event__actor")
    return list(waiting.select_related(*related).order_by("due_at", "pk")[:AT_ONCE])


def _due_digests(now: datetime) -> list[Digest]:
    waiting = Digest.objects.filter(delivery=Delivery.WAITING, due_at__lte=now)
    return list(waiting.select_related("recipient__preferences").order_by("due_at", "pk")[:AT_ONCE])


def _deliver(item: Item, connection: BaseEmailBackend) -> int:
    if not _claim(item):
        return 0
    try:
        mail = _compose(item)
        if mail is None:
            _mark(item, Delivery.SKIPPED)
            return 0
        mail.connection = connection
        with at_most(ANSWERING_MOST):
            taken = mail.send()
        if taken == 0:
            raise smtplib.SMTPException("The mail server took no mail.")
    except Exception as error:
        # Whatever a mail back end raises, or a mail that cannot be written: it must not hold up the others.
        _later(item, error)
        # What the connection is good for after that is not known.
        _close(connection)
        return 0
    _mark(item, Delivery.SENT)
    return 1


def _claim(item: Item) -> bool:
    """Take the sending of it: who moves ``due_at`` has it, the others leave it alone."""
    same = type(item).objects.filter(pk=item.pk, delivery=Delivery.WAITING, due_at=item.due_at)
    if not same.update(due_at=timezone.now() + CLAIM, attempts=F("attempts") + 1):
        return False
    item.attempts += 1
    if item.attempts > settings.MAIL_ATTEMPTS:
        # Each of those that went before ended without a word: it takes its worker with it.
        _give_up(item, item.last_error or "The worker was lost while sending it, again and again.")
        return False
    return True


def _compose(item: Item) -> EmailMessage | None:
    return daily_digest.compose(item) if isinstance(item, Digest) else job_mails.compose(item)


def _mark(item: Item, delivery: Delivery) -> None:
    """Sent, or not to be sent. Insisted on: a mail whose mark is lost is sent again."""

    def write() -> None:
        done = {"delivery": delivery, "sent_at": timezone.now() if delivery == Delivery.SENT else None}
        type(item).objects.filter(pk=item.pk).update(**done)
        if isinstance(item, Digest):
            item.notifications.update(**done)

    retry_until_database_up(write)


def _later(item: Item, error: Exception) -> None:
    limit = ATTEMPTS_REFUSED if _is_refusal(error) else settings.MAIL_ATTEMPTS
    words = _words_of(error)
    if item.attempts >= limit:
        _give_up(item, words)
        return
    delay = min(settings.MAIL_RETRY_LONGEST, settings.MAIL_RETRY_FIRST * 2.0 ** (item.attempts - 1))
    logger.warning("%s: attempt %d failed, the next one in %.0f s: %s", item, item.attempts, delay, words)
    due_at = timezone.now() + timedelta(seconds=delay)
    type(item).objects.filter(pk=item.pk).update(due_at=due_at, last_error=words)


def _give_up(item: Item, words: str) -> None:
    logger.error("%s is given up after %d attempts: %s", item, item.attempts, words)
    type(item).objects.filter(pk=item.pk).update(delivery=Delivery.GIVEN_UP, last_error=words)
    if isinstance(item, Digest):
        item.notifications.update(delivery=Delivery.GIVEN_UP, last_error=words)


def _is_refusal(error: Exception) -> bool:
    """Whether the server said for good that it does not take mail for this address."""
    if not isinstance(error, smtplib.SMTPRecipientsRefused):
        return False
    return all(500 <= answer[0] < 600 for answer in error.recipients.values())


def _back_end(courier: OutboxPosition) -> BaseEmailBackend | None:
    """Django's, or whatever the settings name; one that cannot be had is told of like a server that is away."""
    try:
        return get_connection()
    except Exception as error:
        _server_is_away(courier, _words_of(error))
        return None


def _open(connection: BaseEmailBackend, courier: OutboxPosition) -> bool:
    """Reach the mail server. One that cannot be reached is no fault of any mail: none is counted an attempt."""
    try:
        with at_most(ANSWERING_MOST):
            connection.open()
    except (Exception, SystemExit) as error:
        # Whatever a mail back end raises: names that cannot be resolved, refused, wrong password, wrong certificate.
        _server_is_away(courier, _words_of(error))
        if isinstance(error, SystemExit):
            # How django-q2 ends a task that takes too long.
            raise
        return False
    if courier.failing_since is not None:
        courier.failing_since = None
        OutboxPosition.objects.update(failing_since=None, failures=0, not_before=None, error="")
    return True


def _server_is_away(courier: OutboxPosition, words: str) -> None:
    now = timezone.now()
    failures = courier.failures + 1
    delay = min(settings.MAIL_RETRY_LONGEST, settings.MAIL_RETRY_FIRST * 2.0 ** min(failures - 1, 30))
    logger.error("the mail server cannot be reached, the next attempt in %.0f s: %s", delay, words)
    OutboxPosition.objects.update(
        failing_since=courier.failing_since or now,
        failures=failures,
        not_before=now + timedelta(seconds=delay),
        error=words,
    )


def _words_of(error: BaseException) -> str:
    # A server's answer may hold anything, and PostgreSQL keeps no text with a NUL in it.
    return one_line(f"{type(error).__name__}: {error}", ERROR_LONGEST)


def _close(connection: BaseEmailBackend) -> None:
    with contextlib.suppress(Exception), at_most(CLOSING_MOST):
        connection.close()

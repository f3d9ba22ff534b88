"""Sends the callbacks that are due, and repeats failed ones after growing delays."""

import logging
import time
from datetime import timedelta

import requests
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from dupdash import VERSION
from dupdash.accounts.models import ApiToken
from dupdash.callbacks.messages import body_about, chat_body, secret_of, signature, test_body
from dupdash.callbacks.models import Callback, Delivery
from dupdash.callbacks.url_check import InvalidUrl, PrivateAddress, check_callback_url, checked_session
from dupdash.duplication.states import TERMINAL
from dupdash.moodle.network_errors import causes_of

logger = logging.getLogger("dupdash.callbacks")

# Twenty attempts take about three days.
ATTEMPTS = 20
FIRST_DELAY, DELAY_LONGEST = timedelta(seconds=30), timedelta(hours=6)
# A claim expires after this time, which is longer than a callback takes: its worker has died.
CLAIM = timedelta(minutes=2)
READ_TIMEOUT = 15.0
# Seconds after which a run starts no further callback, so that this worker is free again.
RUN_LONGEST = 20.0
BATCH = 100
GONE = 410
RESULT_LONGEST = 300


def deliver() -> None:
    """Send the callbacks that are due. Starts no further one after RUN_LONGEST seconds."""
    deadline = time.monotonic() + RUN_LONGEST
    due = Callback.objects.filter(delivery=Delivery.WAITING, due_at__lte=timezone.now(), job__state__in=TERMINAL)
    with checked_session() as session:
        for callback in due.select_related("job", "token").order_by("due_at", "pk")[:BATCH]:
            if time.monotonic() > deadline:
                break
            if _claim(callback):
                _attempt(callback, session)


def send_again(callback: Callback) -> None:
    """Schedule a callback to be sent again as soon as possible, even if it was delivered or given up."""
    Callback.objects.filter(pk=callback.pk).update(delivery=Delivery.WAITING, due_at=timezone.now(), attempts=0)


def send_test(url: str, token: ApiToken) -> str:
    """Send a test callback to a URL now. Returns "" if it was delivered, otherwise the reason."""
    with checked_session() as session:
        result, succeeded, _ = _post(session, url, test_body(), secret=secret_of(token), delivery_id="test")
    return "" if succeeded else result


def _claim(callback: Callback) -> bool:
    """Claim a callback by changing ``due_at``. Returns False if another worker has claimed it."""
    same = Callback.objects.filter(pk=callback.pk, delivery=Delivery.WAITING, due_at=callback.due_at)
    claimed = same.update(due_at=timezone.now() + CLAIM, attempts=F("attempts") + 1, last_attempt_at=timezone.now())
    callback.attempts += claimed
    return bool(claimed)


def _attempt(callback: Callback, session: requests.Session) -> None:
    if callback.token is None:
        result, succeeded, final = _post(session, settings.CHAT_WEBHOOK_URL, chat_body(callback.job))
    else:
        secret = secret_of(callback.token)
        body = body_about(callback.job)
        result, succeeded, final = _post(session, callback.address, body, secret=secret, delivery_id=str(callback.pk))
    changes: dict[str, object] = {"last_result": result[:RESULT_LONGEST]}
    if succeeded:
        changes["delivery"] = Delivery.DELIVERED
    elif final or callback.attempts >= ATTEMPTS:
        changes["delivery"] = Delivery.GIVEN_UP
        logger.warning("%s is given up after attempt %d: %s", callback, callback.attempts, result)
    else:
        changes["due_at"] = timezone.now() + min(DELAY_LONGEST, FIRST_DELAY * 2 ** (callback.attempts - 1))
    Callback.objects.filter(pk=callback.pk).update(**changes)


def _post(
    session: requests.Session, url: str, body: bytes, *, secret: str = "", delivery_id: str = ""
) -> tuple[str, bool, bool]:
    """Send one POST. Returns its result in words, whether it succeeded, and whether the failure is permanent."""
    headers = {"Content-Type": "application/json", "User-Agent": f"dupdash/{VERSION}"}
    if secret:
        timestamp = str(int(time.time()))
        headers |= {
            "X-Dupdash-Delivery": delivery_id,
            "X-Dupdash-Timestamp": timestamp,
            "X-Dupdash-Signature": signature(secret, timestamp, body),
        }
    try:
        check_callback_url(url)
        with session.post(
            url, data=body, headers=headers, timeout=READ_TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            status, reason = answer.status_code, answer.reason
    except InvalidUrl as error:
        # The setting may have changed since the request.
        return str(error), False, True
    except requests.RequestException as error:
        return _describe(error), False, False
    if 200 <= status < 300:
        return f"HTTP {status}", True, False
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed. Use the URL to which this one redirects.", False, False
    return f"HTTP {status} {reason or ''}".strip(), False, status == GONE


def _describe(error: requests.RequestException) -> str:
    """Return why there was no answer, in a sentence.

    The message of the exception is left out, because it may name internal hosts.
    """
    if any(isinstance(cause, PrivateAddress) for cause in causes_of(error)):
        return "The host name resolves to an address of a private network. WEBHOOK_ALLOW_PRIVATE=true would allow it."
    if isinstance(error, requests.exceptions.SSLError):
        return "The certificate of the host could not be verified."
    if isinstance(error, requests.exceptions.Timeout):
        return f"There was no answer within {READ_TIMEOUT:g} seconds."
    return "The connection to the host failed or broke off."

"""Limits sign-in attempts and requests for a password reset, by account and by network address.

The database counts the attempts of all processes and hosts. An attempt is counted before it is checked, so that
concurrent attempts cannot exceed a limit. Accounts are stored as keyed hashes, because people sometimes type a password
into the field for the account.
"""

import math
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from dupdash.accounts.client_address import network_of
from dupdash.accounts.models import SignInAttempt


@dataclass(frozen=True)
class Limit:
    """The number of attempts that one account, and one network address, may make within SIGN_IN_WINDOW."""

    purpose: str
    account_setting: str
    address_setting: str

    @property
    def of_account(self) -> int:
        return int(getattr(settings, self.account_setting))

    @property
    def of_address(self) -> int:
        return int(getattr(settings, self.address_setting))


SIGN_IN = Limit("sign-in", "SIGN_IN_ATTEMPTS_ACCOUNT", "SIGN_IN_ATTEMPTS_ADDRESS")
RESET = Limit("reset", "RESET_MAILS_ACCOUNT", "RESET_MAILS_ADDRESS")


@dataclass(frozen=True)
class Admission:
    """The decision on an attempt. ``wait`` is 0 if it is allowed, otherwise the seconds until the next attempt.

    ``is_last``: whether this attempt is the last one that is allowed for now.
    """

    wait: int
    is_last: bool = False


def admit(limit: Limit, account: str, address: str) -> Admission:
    """Count an attempt and allow it, or refuse it without counting it.

    ``account``: the username or the email address, as typed. ``address``: the network address of the client.
    """
    now = timezone.now()
    since = now - timedelta(seconds=settings.SIGN_IN_WINDOW)
    SignInAttempt.objects.filter(at__lt=since).delete()
    by_account, by_address = account_key(limit, account), _key(f"{limit.purpose} from", network_of(address))
    own = SignInAttempt.objects.create(at=now, account=by_account, address=by_address)
    earlier = SignInAttempt.objects.filter(at__gte=since).exclude(pk=own.pk).order_by("-at", "-pk")
    of_account = list(earlier.filter(account=by_account).values_list("at", flat=True)[: limit.of_account])
    of_address = list(earlier.filter(address=by_address).values_list("at", flat=True)[: limit.of_address])
    waits = [
        math.ceil((times[-1] - since).total_seconds())
        for times, most in ((of_account, limit.of_account), (of_address, limit.of_address))
        if len(times) >= most
    ]
    if waits:
        own.delete()
        return Admission(wait=max(1, *waits))
    return Admission(0, is_last=len(of_account) + 1 >= limit.of_account or len(of_address) + 1 >= limit.of_address)


def forget(limit: Limit, account: str) -> None:
    """Delete the counted attempts of an account, after a successful sign-in."""
    SignInAttempt.objects.filter(account=account_key(limit, account)).delete()


def account_key(limit: Limit, account: str) -> str:
    return _key(limit.purpose, account.strip().casefold())


def _key(purpose: str, text: str) -> str:
    return salted_hmac(
        f"dupdash.attempts.{purpose}", text.encode("utf-8", "surrogatepass"), algorithm="sha256"
    ).hexdigest()

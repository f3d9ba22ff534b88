"""Who may open which address: one table, which every guarded view is held against.

The questions are answered in ``accounts/access.py``. An address that is missing here opens to nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

from dupdash.accounts import access
from dupdash.accounts.access import Verb

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def anybody(user: "User | AnonymousUser") -> bool:
    return True


def signed_in(user: "User | AnonymousUser") -> bool:
    return user.is_authenticated


@dataclass(frozen=True)
class Rule:
    """Who may open an address (else 403), and for the address of a job what is done to the job there.

    A job that a person may not see is "no such job" (404) whatever the rule says; one that is seen, but may not have
    this done to it, is 403.

    ``in_background``: pages ask by themselves, whatever somebody is doing there. Whose session is over is told nothing,
    and not led to the sign-in: a half-filled form would be gone.
    """

    may: Callable[["User | AnonymousUser"], bool]
    verb: Verb | None = None
    in_background: bool = False


RULES: dict[str, Rule] = {
    "login": Rule(anybody),
    "logout": Rule(anybody),
    "overview": Rule(access.has_role),
    "overview_live": Rule(access.has_role),
    "history": Rule(access.has_role),
    "history_csv": Rule(access.has_role),
    "history_change": Rule(access.has_role),
    "history_changed": Rule(access.has_role),
    "insights": Rule(access.sees_all_jobs),
    "insights_csv": Rule(access.sees_all_jobs),
    "insights_svg": Rule(access.sees_all_jobs),
    "jobs:list": Rule(access.has_role),
    "jobs:rows": Rule(access.has_role),
    "jobs:request": Rule(access.may_submit),
    "jobs:source_choices": Rule(access.may_submit),
    "jobs:check_short_name": Rule(access.may_submit),
    "jobs:preview": Rule(access.may_submit),
    "jobs:job": Rule(signed_in),
    "jobs:status": Rule(signed_in),
    "jobs:approve": Rule(signed_in, Verb.APPROVE),
    "jobs:reject": Rule(signed_in, Verb.REJECT),
    "jobs:cancel": Rule(signed_in, Verb.CANCEL),
    "jobs:retry": Rule(signed_in, Verb.RETRY),
    "jobs:delete_partial": Rule(signed_in, Verb.DELETE_PARTIAL),
    "jobs:settle": Rule(signed_in, Verb.SETTLE),
    "jobs:look": Rule(signed_in, Verb.APPROVE),
    "jobs:edit": Rule(signed_in, Verb.APPROVE),
    "jobs:summary": Rule(signed_in),
    "approvals": Rule(access.is_administrator),
    "approvals_decide": Rule(access.is_administrator),
    "presets": Rule(access.is_administrator),
    "edit_preset": Rule(access.is_administrator),
    "delete_preset": Rule(access.is_administrator),
    "preferences": Rule(signed_in),
    "notifications:news": Rule(signed_in, in_background=True),
    "tokens": Rule(access.has_role),
    "revoke_token": Rule(access.has_role),
}

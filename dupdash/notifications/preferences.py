"""What a person is told, and how: their own choice, else what their role suggests."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils import timezone

from dupdash.accounts import access
from dupdash.notifications.models import Preferences
from dupdash.notifications.topics import OTHERS, OWN, Topic, When

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Who asks for one copy waits for it. The receipt repeats what the page has just said, so nobody gets it unasked.
_OWN: dict[Topic, When] = {**dict.fromkeys(OWN, When.NOW), Topic.REQUESTED: When.NEVER}
# Who copies whole faculties wants to hear of what went wrong only.
_GONE_WRONG: dict[Topic, When] = {Topic.FAILED: When.NOW, Topic.UNRESOLVED: When.NOW}
_OWN_OF_ADMINISTRATORS: dict[Topic, When] = {**dict.fromkeys(OWN, When.NEVER), **_GONE_WRONG}
_OTHERS: dict[Topic, When] = dict.fromkeys(OTHERS, When.NEVER)
_OTHERS_OF_ADMINISTRATORS: dict[Topic, When] = {**_OTHERS, **_GONE_WRONG, Topic.APPROVAL: When.NOW}


def preferences_of(user: "User") -> Preferences:
    """The row of a person; one that is not saved yet where they never chose anything."""
    try:
        return user.preferences
    except Preferences.DoesNotExist:
        return Preferences(user=user)


def own_topics(user: "User") -> dict[Topic, When]:
    """When this person is told of which event of their own copies."""
    administrator = access.is_administrator(user)
    return _chosen(_OWN_OF_ADMINISTRATORS if administrator else _OWN, preferences_of(user).own)


def others_topics(user: "User") -> dict[Topic, When]:
    """The same of copies of others; empty for those who may not know of them."""
    if not access.sees_all_jobs(user):
        return {}
    if access.is_administrator(user):
        return _chosen(_OTHERS_OF_ADMINISTRATORS, preferences_of(user).others)
    allowed: dict[Topic, When] = {topic: when for topic, when in _OTHERS.items() if topic != Topic.APPROVAL}
    return _chosen(allowed, preferences_of(user).others)


def wants_figures(user: "User") -> bool:
    """Whether this person gets the figures of the day."""
    if not access.sees_all_jobs(user):
        return False
    chosen = preferences_of(user).figures
    return access.is_administrator(user) if chosen is None else chosen


def chosen_zone(user: "User") -> ZoneInfo | None:
    """The time zone a person has chosen; None: their browser's."""
    name = preferences_of(user).time_zone
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        # Chosen on a machine that knows more zones than this one.
        return None


def zone_of(user: "User") -> tzinfo:
    """The time zone of what is written to a person: the one they chose, else the site's."""
    return chosen_zone(user) or timezone.get_default_timezone()


def _chosen(suggested: Mapping[Topic, When], chosen: Mapping[str, str]) -> dict[Topic, When]:
    return {
        topic: When(chosen[topic]) if chosen.get(topic) in When.values else when for topic, when in suggested.items()
    }

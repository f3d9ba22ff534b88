"""Decides which notifications a person gets, and how: by their own choice, or by the default of their role."""

from collections.abc import Mapping
from datetime import tzinfo
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts import access
from dupdash.notifications.models import Preferences
from dupdash.notifications.topics import OTHERS, OWN, Topic, When

# A requester waits for their copy. A confirmation of the request repeats what the page has just shown, so
# it is off by default.
_OWN: dict[Topic, When] = {**dict.fromkeys(OWN, When.NOW), Topic.REQUESTED: When.NEVER}
# Administrators who copy hundreds of courses want to know of problems only.
_PROBLEMS: dict[Topic, When] = {Topic.FAILED: When.NOW, Topic.UNRESOLVED: When.NOW}
_OWN_ADMINISTRATOR: dict[Topic, When] = {**dict.fromkeys(OWN, When.NEVER), **_PROBLEMS}
_OTHERS: dict[Topic, When] = {topic: When.NEVER for topic in OTHERS if topic != Topic.APPROVAL}
_OTHERS_ADMINISTRATOR: dict[Topic, When] = {**_OTHERS, **_PROBLEMS, Topic.APPROVAL: When.NOW}


def preferences_of(user: User) -> Preferences:
    """Return the saved preferences of a person, or an unsaved row with the defaults."""
    try:
        return user.preferences
    except Preferences.DoesNotExist:
        return Preferences(user=user)


def own_topics(user: User) -> dict[Topic, When]:
    """Return when this person is notified about their own copies, for each topic."""
    administrator = access.is_administrator(user)
    return _with_choices(_OWN_ADMINISTRATOR if administrator else _OWN, preferences_of(user).own)


def others_topics(user: User) -> dict[Topic, When]:
    """Return when this person is notified about copies of others, for each topic.

    The result is empty if this person may not see those copies.
    """
    if not access.sees_all_jobs(user):
        return {}
    administrator = access.is_administrator(user)
    return _with_choices(_OTHERS_ADMINISTRATOR if administrator else _OTHERS, preferences_of(user).others)


def wants_figures(user: User) -> bool:
    """Return whether this person gets the daily figures. People who may not see all jobs never do."""
    if not access.sees_all_jobs(user):
        return False
    chosen = preferences_of(user).figures
    return access.is_administrator(user) if chosen is None else chosen


def chosen_zone(user: User) -> ZoneInfo | None:
    """Return the time zone that a person has chosen; None if they chose none, or one that this host does not know."""
    name = preferences_of(user).time_zone
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        # It was chosen on a host whose time zone database has more names.
        return None


def zone_of(user: User) -> tzinfo:
    """Return the time zone for emails to a person: the one that they chose, or the setting TIME_ZONE."""
    return chosen_zone(user) or timezone.get_default_timezone()


def _with_choices(defaults: Mapping[Topic, When], chosen: Mapping[str, str]) -> dict[Topic, When]:
    return {
        topic: When(chosen[topic]) if chosen.get(topic) in When.values else when for topic, when in defaults.items()
    }

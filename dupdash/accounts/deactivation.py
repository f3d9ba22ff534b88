"""Revokes the API tokens and deletes the sessions of an account when it is made inactive.

Django and the web services refuse an inactive account anyway. But without this module the account's old tokens and
sessions would work again as soon as the account is active again.
"""

import logging
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken

logger = logging.getLogger("dupdash.accounts")


def connect() -> None:
    """Connect the signal handlers, so that every change of an account is noticed, from Django's admin or from code."""
    pre_save.connect(_remember_state, sender=get_user_model(), dispatch_uid="dupdash.deactivation.before")
    post_save.connect(_end_access, sender=get_user_model(), dispatch_uid="dupdash.deactivation.after")


def _remember_state(sender: type[User], instance: User, update_fields: Any = None, **more: Any) -> None:
    changes_it = update_fields is None or "is_active" in update_fields
    if instance.pk is None or instance.is_active or not changes_it:
        return
    instance._was_active = sender.objects.filter(pk=instance.pk, is_active=True).exists()  # type: ignore[attr-defined]


def _end_access(sender: type[User], instance: User, **more: Any) -> None:
    if instance.__dict__.pop("_was_active", False):
        transaction.on_commit(lambda: end_access(instance))


def end_access(person: User) -> None:
    """Revoke the API tokens of a person and delete their sessions."""
    revoked = sum(tokens.revoke(token) for token in ApiToken.objects.usable().filter(owner=person))
    ended = _delete_sessions(person)
    logger.info("the account %s was made inactive: %d API tokens, %d sessions ended", person.pk, revoked, ended)


def _delete_sessions(person: User) -> int:
    """Delete the sessions of a person, and return how many there were.

    All sessions must be read, because only their signed content names the owner.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    unexpired = Session.objects.filter(expire_date__gt=timezone.now())
    owned = [
        session.session_key
        for session in unexpired.iterator(chunk_size=500)
        if store.decode(session.session_data).get(SESSION_KEY) == str(person.pk)
    ]
    return Session.objects.filter(session_key__in=owned).delete()[0]

"""The housekeeping task that sends messages and cleans up."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from dupdash.operations.tasks import send_messages_and_clean_up


@pytest.mark.django_db(transaction=True)
def test_expired_sessions_are_deleted_and_current_ones_stay() -> None:
    now = timezone.now()
    for name, hours in (("expired", -1), ("current", 1)):
        Session.objects.create(session_key=name, session_data="", expire_date=now + timedelta(hours=hours))
    send_messages_and_clean_up()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["current"]

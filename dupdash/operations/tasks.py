"""The housekeeping task for emails, callbacks, expired sessions and the statistics of the database.

The sweep is in ``duplication/tasks.py``, and the task for plans and batches in ``rollover/tasks.py``. django-q2 may run
this task twice, late or never.
"""

from django.contrib.sessions.models import Session
from django.utils import timezone

from dupdash.callbacks import tasks as callbacks
from dupdash.duplication import planner_statistics
from dupdash.notifications import tasks as mail


def send_messages_and_clean_up() -> None:
    """Send due emails, make due callbacks, delete expired sessions, and update the database's statistics once a day.

    Emails and callbacks have a time limit each, so one worker is enough for both.
    """
    try:
        mail.send_due()
    finally:
        callbacks.send_due()
    delete_expired_sessions()
    planner_statistics.update_if_due()


def delete_expired_sessions() -> None:
    """Delete expired sessions. Django keeps them, including those of sign-ins that were started and never completed."""
    expired = Session.objects.filter(expire_date__lt=timezone.now())
    # The query first, because a DELETE locks the SQLite database even if it deletes nothing.
    if expired.exists():
        expired.delete()

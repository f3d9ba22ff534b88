"""The outbox: who is to be told of what, and whether it was done. And what each person has chosen."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from dupdash.duplication.models import JobEvent
from dupdash.notifications.topics import Topic

# News that could not be told for so long is none any more. Also what keeps a first start, or the first one after a
# long outage, from telling everybody everything.
TOLD_FOR = timedelta(days=3)
# The error of what was given up without ever having been tried.
NEVER_TRIED = "Never tried: the mail server was out of reach for days, or no worker ran."


class Channel(models.TextChoices):
    MAIL = "mail", "by e-mail"
    DAILY = "daily", "in the daily summary"
    PAGE = "page", "in the page"


class Delivery(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    # Nobody to send it to any more, nothing to say any more.
    SKIPPED = "skipped", "Not needed"
    GIVEN_UP = "given_up", "Given up"


class Outgoing(models.Model):
    """Something that goes to one person.

    It is due while it waits and ``due_at`` is over. Whoever moves ``due_at`` has the sending of it: a worker that
    dies with it leaves it due again a little later, so that a mail may come twice at worst, and is never lost.
    """

    delivery = models.CharField(max_length=10, choices=Delivery, default=Delivery.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    # Counted when it is claimed: also what kills its worker each time comes to an end.
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        abstract = True


class Digest(Outgoing):
    """One person's summary of one day, and of what happened between ``since`` and ``until``."""

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digests")
    # In the recipient's time zone.
    day = models.DateField()
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        ordering = ["-until", "-id"]
        constraints = [models.UniqueConstraint(fields=["recipient", "day"], name="one_digest_a_day")]
        indexes = [
            models.Index(fields=["due_at"], name="digest_due", condition=Q(delivery=Delivery.WAITING)),
        ]

    def __str__(self) -> str:
        return f"summary of {self.day} for {self.recipient}"


class Notification(Outgoing):
    """One person is told of one event by one way, once."""

    event = models.ForeignKey(JobEvent, on_delete=models.CASCADE, related_name="notifications")
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    channel = models.CharField(max_length=10, choices=Channel)
    topic = models.CharField(max_length=20, choices=Topic)
    digest = models.ForeignKey(Digest, on_delete=models.SET_NULL, null=True, related_name="notifications")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["event", "recipient", "channel"], name="told_once_by_each_way"),
        ]
        indexes = [
            models.Index(fields=["channel", "due_at"], name="notification_due", condition=Q(delivery=Delivery.WAITING)),
            models.Index(
                fields=["recipient", "channel"], name="notification_news", condition=Q(delivery=Delivery.WAITING)
            ),
            models.Index(fields=["created_at"], name="notification_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.get_channel_display()} for {self.recipient}"


class OutboxPosition(models.Model):
    """Where the telling has got to; one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    # Every event up to this one has been looked at.
    event_id = models.BigIntegerField(default=0)
    tidied_on = models.DateField(null=True)
    # Whether a summary is due was looked at then.
    prepared_at = models.DateTimeField(null=True)

    # The mail server cannot be reached since then; nothing is tried before ``not_before``.
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_position")]

    def __str__(self) -> str:
        return f"told up to event {self.event_id}"

    @classmethod
    def current(cls) -> "OutboxPosition":
        return cls.objects.get_or_create(id=1)[0]


class Preferences(models.Model):
    """What a person has chosen. What is not in here is as their role has it, see ``preferences.py``."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    # Topic → when, of one's own copies and of those of others.
    own = models.JSONField(default=dict, blank=True)
    others = models.JSONField(default=dict, blank=True)
    # The day's figures; null: as the role has it.
    figures = models.BooleanField(null=True)
    toasts = models.BooleanField(default=True)
    # Empty: the browser's; in mails the site's.
    time_zone = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of {self.user}"

"""The notification outbox (who is notified of which event, and with what result) and each person's preferences."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from dupdash.duplication.models import JobEvent
from dupdash.notifications.topics import Topic

# Older notifications are no longer sent. This also prevents a flood of email after a first start or a long outage.
AGE_LONGEST = timedelta(days=3)
# The error of an email that was given up before its first attempt.
NEVER_TRIED = "Never tried: the mail server was out of reach for days, or no worker ran."


class Channel(models.TextChoices):
    MAIL = "mail", "by email"
    DAILY = "daily", "in the daily summary"
    PAGE = "page", "as a message on the page"


class Delivery(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    # The recipient no longer has an address, or the message no longer applies.
    SKIPPED = "skipped", "Not needed"
    GIVEN_UP = "given_up", "Given up"


class Outgoing(models.Model):
    """A message to one person.

    A message is due while it is waiting and ``due_at`` has passed. A worker claims it by moving ``due_at`` forward. If
    that worker dies, the message is due again a few minutes later: a dead worker loses no message, but one can be sent
    twice.
    """

    delivery = models.CharField(max_length=10, choices=Delivery, default=Delivery.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    # Counted at each claim, so that a message that kills its worker is given up in the end.
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        abstract = True


class Digest(Outgoing):
    """The daily summary for one person: the events between ``since`` and ``until``."""

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
    """A notification of one recipient about one event, through one channel."""

    event = models.ForeignKey(JobEvent, on_delete=models.CASCADE, related_name="notifications")
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    channel = models.CharField(max_length=10, choices=Channel)
    topic = models.CharField(max_length=20, choices=Topic)
    digest = models.ForeignKey(Digest, on_delete=models.SET_NULL, null=True, related_name="notifications")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["event", "recipient", "channel"], name="one_notification_per_channel"),
        ]
        indexes = [
            models.Index(fields=["channel", "due_at"], name="notification_due", condition=Q(delivery=Delivery.WAITING)),
            models.Index(
                fields=["recipient", "channel"], name="notification_toast", condition=Q(delivery=Delivery.WAITING)
            ),
            models.Index(fields=["created_at"], name="notification_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.get_channel_display()} for {self.recipient}"


class OutboxPosition(models.Model):
    """The last event for which notifications were created, and the state of the mail server, in a single row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    # Every event up to this one has its notifications.
    event_id = models.BigIntegerField(default=0)
    cleaned_on = models.DateField(null=True)
    # When due digests were last looked for.
    digests_checked_at = models.DateTimeField(null=True)

    # Since when the mail server is unreachable. No attempt is made before ``next_attempt_at``.
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_position")]

    def __str__(self) -> str:
        return f"notified up to event {self.event_id}"

    @classmethod
    def current(cls) -> "OutboxPosition":
        return cls.objects.get_or_create(id=1)[0]


class Preferences(models.Model):
    """The preferences of a person. For missing choices, ``preferences.py`` has the defaults of each role."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    # Topic → when to notify: for the person's own copies, and for copies of others.
    own = models.JSONField(default=dict, blank=True)
    others = models.JSONField(default=dict, blank=True)
    # Whether the person gets the daily figures; null: the role's default.
    figures = models.BooleanField(null=True)
    toasts = models.BooleanField(default=True)
    # Whether the key "/" goes to the search.
    shortcuts = models.BooleanField(default=True)
    # Empty: the browser's time zone on pages, TIME_ZONE in emails.
    time_zone = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of {self.user}"

"""The database tables of batches, and of the time at which each lane last got a slot."""

from datetime import datetime, time

from django.conf import settings
from django.db import models
from django.utils import timezone

from dupdash.duplication.new_id import new_id


class Priority(models.IntegerChoices):
    LOW = -1, "Low"
    NORMAL = 0, "Normal"
    HIGH = 1, "High"


class Batch(models.Model):
    """Jobs that were accepted together.

    While the batch is paused, or outside its window, none of its jobs is dispatched. Jobs that run are not affected.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    label = models.CharField(max_length=200)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="batches")
    created_at = models.DateTimeField(default=timezone.now)
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL)
    paused_at = models.DateTimeField(null=True)
    # Copies start only between these times of day, in TIME_ZONE. Both are set, or neither.
    window_start = models.TimeField(null=True)
    window_end = models.TimeField(null=True)
    # When the last job ended. A retry opens the batch again.
    closed_at = models.DateTimeField(null=True)
    # Whether the requester gets an email with the results, when sending is tried next, and how often it was tried.
    mail_results = models.BooleanField(default=False)
    mail_due_at = models.DateTimeField(null=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["closed_at", "created_at"], name="batch_by_end"),
            models.Index(fields=["requester", "created_at"], name="batch_by_requester"),
        ]

    def __str__(self) -> str:
        return self.label

    def is_in_window(self, now: datetime) -> bool:
        """Return whether ``now`` is within the window of the batch, which can span midnight.

        The window may span midnight. Without a window every time is within it.
        """
        if self.window_start is None or self.window_end is None:
            return True
        clock: time = timezone.localtime(now, timezone.get_default_timezone()).time()
        if self.window_start <= self.window_end:
            return self.window_start <= clock < self.window_end
        return clock >= self.window_start or clock < self.window_end


class LaneTurn(models.Model):
    """The time at which a lane last got a slot. A lane is a batch; all single requests together are the lane ""."""

    lane = models.CharField(primary_key=True, max_length=32)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.lane or 'single requests'} at {self.at}"

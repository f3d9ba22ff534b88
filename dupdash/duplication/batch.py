"""A batch: jobs that were accepted together. Dispatch gives batches and single requests their turns."""

from datetime import datetime, time

from django.conf import settings
from django.db import models
from django.utils import timezone

from dupdash.duplication.ids import new_id


class Priority(models.IntegerChoices):
    LOW = -1, "Low"
    NORMAL = 0, "Normal"
    HIGH = 1, "High"


class Batch(models.Model):
    """``paused_at`` and the window decide whether jobs of the batch are dispatched; those under way go on."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    label = models.CharField(max_length=200)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="batches")
    created_at = models.DateTimeField(default=timezone.now)
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL)
    paused_at = models.DateTimeField(null=True)
    # Copies start only from the first to the second time of day, on the clocks of TIME_ZONE. Both are set, or neither.
    window_start = models.TimeField(null=True)
    window_end = models.TimeField(null=True)
    # No job of it waits or runs any more. A job that is tried again opens it again.
    closed_at = models.DateTimeField(null=True)
    # The requester gets a mail with the results after the end; when it is tried next, and how often it was tried.
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
        """Whether the clocks of the site show a time within the window, which may span midnight."""
        if self.window_start is None or self.window_end is None:
            return True
        clock: time = timezone.localtime(now, timezone.get_default_timezone()).time()
        if self.window_start <= self.window_end:
            return self.window_start <= clock < self.window_end
        return clock >= self.window_start or clock < self.window_end


class LaneTurn(models.Model):
    """When a lane last had a slot. A lane is a batch; all single requests together are the lane ""."""

    lane = models.CharField(primary_key=True, max_length=32)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.lane or 'single requests'} at {self.at}"

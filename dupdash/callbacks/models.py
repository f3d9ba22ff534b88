"""Callbacks: where the end of a job is reported, and how that went."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from dupdash.accounts.models import ApiToken
from dupdash.duplication.models import DuplicationJob

ADDRESS_LONGEST = 500


class CallbackDefault(models.Model):
    """The address that is called for jobs of one API token whose request names none."""

    token = models.OneToOneField(ApiToken, on_delete=models.CASCADE, related_name="callback_default")
    address = models.CharField(max_length=ADDRESS_LONGEST)

    def __str__(self) -> str:
        return f"{self.token}: {self.address}"


class Delivery(models.TextChoices):
    WAITING = "waiting", "waiting"
    DELIVERED = "delivered", "delivered"
    GIVEN_UP = "given_up", "given up"


class Callback(models.Model):
    """One call that reports the end of one job. It is made after the job has ended, and repeated until it succeeds."""

    job = models.ForeignKey(DuplicationJob, on_delete=models.CASCADE, related_name="callbacks")
    # Null: the message to the chat, whose address is a setting.
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, null=True, related_name="+")
    address = models.CharField(max_length=ADDRESS_LONGEST, blank=True)
    delivery = models.CharField(max_length=10, choices=Delivery, default=Delivery.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    last_attempt_at = models.DateTimeField(null=True)
    # What the other side answered, or why there was no answer; "" before the first attempt.
    last_result = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "token"], name="one_callback_per_job_and_token"),
            # To databases, two missing tokens differ.
            models.UniqueConstraint(
                fields=["job"], condition=Q(token__isnull=True), name="one_callback_per_job_without_token"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(delivery=Delivery.WAITING), name="callback_due"),
        ]

    def __str__(self) -> str:
        return f"callback of job {self.job_id}"

    @property
    def is_chat(self) -> bool:
        return self.token_id is None

"""The database tables of callbacks: the callback URL of each API token, and each callback with its state."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from dupdash.accounts.models import ApiToken
from dupdash.duplication.models import DuplicationJob

ADDRESS_LONGEST = 500


class CallbackDefault(models.Model):
    """The callback URL of an API token. It is used for jobs whose request does not name a URL."""

    token = models.OneToOneField(ApiToken, on_delete=models.CASCADE, related_name="callback_default")
    address = models.CharField(max_length=ADDRESS_LONGEST)

    def __str__(self) -> str:
        return f"{self.token}: {self.address}"


class Delivery(models.TextChoices):
    WAITING = "waiting", "waiting"
    DELIVERED = "delivered", "delivered"
    GIVEN_UP = "given_up", "given up"


class Callback(models.Model):
    """A POST that reports the end of a job to a program or, without ``token``, to the chat.

    ``sender.py`` sends it when the job has ended, and repeats it until it is delivered or given up.
    """

    job = models.ForeignKey(DuplicationJob, on_delete=models.CASCADE, related_name="callbacks")
    # Null for a message to the chat, whose URL is a setting.
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, null=True, related_name="+")
    address = models.CharField(max_length=ADDRESS_LONGEST, blank=True)
    delivery = models.CharField(max_length=10, choices=Delivery, default=Delivery.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    last_attempt_at = models.DateTimeField(null=True)
    # The answer of the last attempt, or why there was no answer; "" before the first attempt.
    last_result = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "token"], name="one_callback_per_job_and_token"),
            # Databases treat two NULL tokens as different, so a second constraint is needed.
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

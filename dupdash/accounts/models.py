"""API tokens, with which other programs sign in."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

LABEL_LONGEST = 100


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> "ApiTokenQuerySet":
        return self.filter(revoked_at__isnull=True, expires_at__gt=timezone.now())


class ApiToken(models.Model):
    """Gives a program the permissions of the token's owner until it expires or is revoked.

    Only a hash of the token is stored. A token has 128 random bits, so an unsalted hash is safe and can be indexed.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    # The events of jobs that a program changes name this label.
    label = models.CharField(max_length=LABEL_LONGEST)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    # The minute of the last use, and the number of calls granted in that minute.
    last_used_at = models.DateTimeField(null=True)
    granted = models.PositiveIntegerField(default=0)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "label"],
                condition=Q(revoked_at__isnull=True),
                name="one_api_token_per_label",
                violation_error_message="You have a token with this label. Choose another label, or revoke it first.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} of {self.owner}"

    def is_usable(self, now: datetime | None = None) -> bool:
        return self.revoked_at is None and self.expires_at > (now or timezone.now())

    @property
    def status(self) -> str:
        """For lists: active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.is_usable() else "expired"

"""The database tables of API tokens, recent sign-in attempts, and the audit log."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

LABEL_LONGEST = 100


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> "ApiTokenQuerySet":
        return self.filter(revoked_at__isnull=True, expires_at__gt=timezone.now())


class ApiToken(models.Model):
    """A token that gives a program the permissions of the token's owner, until the token expires or is revoked.

    Only a hash of the token is stored. A token has 128 random bits, so an unsalted hash is safe and can be indexed.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    # The purpose of the token. Events of jobs that the program changes show it.
    label = models.CharField(max_length=LABEL_LONGEST)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    # The minute of the last call, and the number of calls that were allowed in that minute.
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

    def is_usable(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def status(self) -> str:
        """Return "active", "expired" or "revoked", as shown in lists of tokens."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.is_usable() else "expired"


class SignInAttempt(models.Model):
    """An attempt to sign in or to reset a password. It is kept for SIGN_IN_WINDOW or until the account signs in."""

    at = models.DateTimeField()
    # Keyed hashes of the account and the network address (attempt_limits.py).
    account = models.CharField(max_length=64)
    address = models.CharField(max_length=64)

    class Meta:
        indexes = [
            models.Index(fields=["account", "at"], name="attempts_of_account"),
            models.Index(fields=["address", "at"], name="attempts_of_address"),
            models.Index(fields=["at"], name="attempts_by_age"),
        ]

    def __str__(self) -> str:
        return f"attempt at {self.at:%Y-%m-%d %H:%M:%S}"


class AuditKind(models.TextChoices):
    SIGNED_IN = "signed_in", "Signed in"
    SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
    LOCKED_OUT = "locked_out", "Locked out"
    PASSWORD_SET = "password_set", "Password set"
    ACCOUNT_MADE = "account_made", "Account made"
    ACCOUNT_CHANGED = "account_changed", "Account changed"
    ACCOUNT_DELETED = "account_deleted", "Account deleted"
    ROLES_CHANGED = "roles_changed", "Roles changed"
    TOKEN_MADE = "token_made", "API token made"
    TOKEN_REVOKED = "token_revoked", "API token revoked"
    APPROVED = "approved", "Request approved"
    APPROVAL_UNDONE = "approval_undone", "Approval undone"
    REFUSED = "refused", "Request refused"
    COURSE_DELETED = "course_deleted", "Course deleted"
    POLICY_CHANGED = "policy_changed", "Policy changed"


class AppendOnly(Exception):
    """Code tried to change or delete an audit entry, which is not possible."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **columns: object) -> int:
        raise AppendOnly

    def bulk_update(self, *arguments: object, **more: object) -> int:
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class AuditEntry(models.Model):
    """An entry of the audit log: who did what, when and from where. Database triggers refuse changes.

    People are stored by name and id, without a foreign key, because entries are kept longer than accounts.
    """

    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=40, choices=AuditKind)
    # Empty if dupdash itself or the command line acted.
    actor = models.CharField(max_length=150, blank=True)
    actor_id = models.PositiveBigIntegerField(null=True)
    # The account, token, job or setting that was changed.
    subject = models.CharField(max_length=200, blank=True)
    detail = models.CharField(max_length=1000, blank=True)
    job_id = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=45, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["kind", "-id"], name="audit_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.actor}"

    def save(self, *arguments: Any, **more: Any) -> None:
        if self.pk is not None:
            raise AppendOnly
        super().save(*arguments, **more)

    def delete(self, *arguments: Any, **more: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class PolicySnapshot(models.Model):
    """The policy settings at the last start, in a single row. The next start compares them with its own settings."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    digest = models.CharField(max_length=64)
    values = models.JSONField()

    def __str__(self) -> str:
        return self.digest

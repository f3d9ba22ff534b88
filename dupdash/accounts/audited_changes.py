"""Records sign-ins, changes of accounts and roles, decisions on requests and deleted courses in the audit log."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.http import HttpRequest

from dupdash.accounts.attempt_limits import SIGN_IN, Admission, forget
from dupdash.accounts.audit import record
from dupdash.accounts.models import AuditKind
from dupdash.duplication.models import JobEvent

# The columns of an account on which its permissions depend, and their names in an audit entry.
_FLAGS = {"is_active": "active", "is_superuser": "superuser", "is_staff": "access to Django’s admin"}
# The events of jobs that the audit log also records. Reasons typed by people are only in the job's timeline.
_OF_JOBS = {
    "approved": AuditKind.APPROVED,
    "approval_undone": AuditKind.APPROVAL_UNDONE,
    "rejected": AuditKind.REFUSED,
    "partial_deleted": AuditKind.COURSE_DELETED,
    "cancelled_copy_deleted": AuditKind.COURSE_DELETED,
    "shell_deleted": AuditKind.COURSE_DELETED,
}
UNKNOWN_ACCOUNT = "an account that does not exist"


def connect() -> None:
    users = get_user_model()
    for signal, receiver, sender in (
        (user_logged_in, _signed_in, None),
        (user_login_failed, _sign_in_failed, None),
        (pre_save, _before_change, users),
        (post_save, _after_change, users),
        (post_delete, _deleted, users),
        (m2m_changed, _groups_changed, users.groups.through),
        (post_save, _job_event, JobEvent),
    ):
        signal.connect(receiver, sender=sender, dispatch_uid=f"dupdash.audit.{receiver.__name__}")


def _signed_in(request: HttpRequest | None, user: User, **more: Any) -> None:
    # The account name as it was typed. A sign-in without a form has none, and counted no attempt.
    account = getattr(request, "attempted_account", None)
    if account is not None:
        forget(SIGN_IN, account)
    record(AuditKind.SIGNED_IN, actor=user, subject=user.get_username(), detail=getattr(request, "signed_in_by", ""))


def _sign_in_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any) -> None:
    admission: Admission | None = getattr(request, "admission", None)
    if admission is not None and admission.wait:
        # This attempt was refused without checking the password. The attempt that reached the limit was recorded.
        return
    # Only names of existing accounts are recorded, because people sometimes type a password into this field.
    typed = str(credentials.get("username") or "")
    found = get_user_model().objects.filter(username__iexact=typed).first() if "\0" not in typed else None
    subject = found.get_username() if found is not None else UNKNOWN_ACCOUNT
    record(AuditKind.SIGN_IN_FAILED, subject=subject)
    if admission is not None and admission.is_last:
        record(
            AuditKind.LOCKED_OUT,
            subject=subject,
            detail="Too many attempts for this account or from this network address.",
        )


def _before_change(sender: type[User], instance: User, update_fields: Any = None, **more: Any) -> None:
    watched = set(_FLAGS) if update_fields is None else set(_FLAGS) & set(update_fields)
    if instance.pk is not None and watched:
        instance._flags_before = (  # type: ignore[attr-defined]
            sender.objects.filter(pk=instance.pk).values(*watched).first()
        )


def _after_change(sender: type[User], instance: User, created: bool, **more: Any) -> None:
    before: dict[str, bool] | None = instance.__dict__.pop("_flags_before", None)
    if created:
        flags = [name for column, name in _FLAGS.items() if getattr(instance, column) and column != "is_active"]
        record(AuditKind.ACCOUNT_MADE, subject=instance.get_username(), detail=", ".join(flags))
    for column, was in (before or {}).items():
        if (now := getattr(instance, column)) != was:
            detail = f"{_FLAGS[column]}: {'yes' if now else 'no'}"
            record(AuditKind.ACCOUNT_CHANGED, subject=instance.get_username(), detail=detail)


def _deleted(instance: User, **more: Any) -> None:
    record(AuditKind.ACCOUNT_DELETED, subject=instance.get_username())


def _groups_changed(instance: Any, action: str, reverse: bool, pk_set: set[int] | None = None, **more: Any) -> None:
    """Record that the groups of a person were changed. With ``reverse``, the people of a group were changed."""
    verbs = {"post_add": "added", "post_remove": "removed", "pre_clear": "removed"}
    if action not in verbs:
        return
    others: Any = get_user_model() if reverse else Group
    cleared = instance.user_set if reverse else instance.groups
    for other in cleared.all() if pk_set is None else others.objects.filter(pk__in=pk_set):
        person, group = (instance, other) if not reverse else (other, instance)
        record(AuditKind.ROLES_CHANGED, subject=person.get_username(), detail=f"{verbs[action]}: {group.name}")


def _job_event(instance: JobEvent, created: bool, **more: Any) -> None:
    kind = _OF_JOBS.get(instance.kind)
    if kind is None or not created:
        return
    job = instance.job
    # The reason for a deletion names the course. The reason for a refusal was typed by a person and is left out.
    detail = instance.reason if kind == AuditKind.COURSE_DELETED else f"via {instance.via}" if instance.via else ""
    record(kind, actor=instance.actor, subject=f"{job.shortname}: job {job.pk}", detail=detail, job_id=job.pk)

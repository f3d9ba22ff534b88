"""Records policy settings in the audit log if they have changed since the last start."""

import hashlib
import json
import logging

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction

from dupdash.accounts.audit import record
from dupdash.accounts.models import AuditKind, PolicySnapshot

logger = logging.getLogger("dupdash.accounts")

# The settings that are recorded. None of them is a secret.
SETTINGS = (
    "FACULTY_NEEDS_APPROVAL",
    "FACULTY_MAY_COPY_USER_DATA",
    "FACULTY_CATEGORIES",
    "HELP_DESK_MAY_RETRY",
    "EMPTY_SHELL_CLEANUP",
    "WEBHOOK_ALLOWED_HOSTS",
    "WEBHOOK_ALLOW_PRIVATE",
    "API_RATE_PER_MINUTE",
    "LOCAL_PASSWORDS",
    "SESSION_LIFETIME",
    "SIGN_IN_WINDOW",
    "SIGN_IN_ATTEMPTS_ACCOUNT",
    "SIGN_IN_ATTEMPTS_ADDRESS",
    "TRUSTED_PROXIES",
    "MOODLE_SIGN_IN",
    "MOODLE_SIGN_IN_ROLE",
    "OIDC_ISSUER",
    "OIDC_TRUST_EMAIL",
    "OIDC_GROUPS_CLAIM",
    "OIDC_ROLE_ADMINISTRATOR",
    "OIDC_ROLE_FACULTY",
    "OIDC_ROLE_HELP_DESK",
    "SAML_METADATA_FILE",
    "SAML_ENTITY_ID",
    "SAML_GROUPS_ATTRIBUTE",
    "SAML_ROLE_ADMINISTRATOR",
    "SAML_ROLE_FACULTY",
    "SAML_ROLE_HELP_DESK",
    "MOODLE_URL",
    "MOODLE_CONCURRENCY",
)


def record_at_start() -> None:
    """Record changed settings when a web process starts. If the database is down, the process starts anyway."""
    try:
        record_changes()
    except DatabaseError as error:
        logger.warning("changed policy settings could not be recorded: %s", type(error).__name__)


def record_changes() -> None:
    """Add an entry for each setting that differs from the last start.

    If several processes start at the same time, only one of them adds entries.
    """
    values = {name: getattr(settings, name) for name in SETTINGS}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    with transaction.atomic():
        last, made = PolicySnapshot.objects.get_or_create(pk=1, defaults={"digest": digest, "values": values})
        if made:
            shown = ", ".join(f"{name}={_shown(value)}" for name, value in values.items())
            record(AuditKind.POLICY_CHANGED, subject="first start", detail=shown)
            return
        same = PolicySnapshot.objects.filter(pk=1, digest=last.digest)
        if last.digest == digest or not same.update(digest=digest, values=values):
            return
        for name, value in values.items():
            if (was := last.values.get(name)) != value:
                record(AuditKind.POLICY_CHANGED, subject=name, detail=f"{_shown(was)} → {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "(none)"
    return "(none)" if value in (None, "") else str(value)

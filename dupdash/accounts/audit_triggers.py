"""Creates the database triggers that refuse every UPDATE and DELETE on the audit table."""

from typing import TYPE_CHECKING

from dupdash.accounts.models import AuditEntry

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = AuditEntry._meta.db_table
MESSAGE = "audit entries are append-only"

_SQLITE = [
    f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON {TABLE} BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    for verb in ("UPDATE", "DELETE")
]
_POSTGRESQL = [
    f"CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{MESSAGE}'; END $$",
    f"CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON {TABLE} "
    f"FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {TABLE} "
    f"FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
]
_DROP_SQLITE = [f"DROP TRIGGER IF EXISTS audit_no_{verb}" for verb in ("update", "delete")]
_DROP_POSTGRESQL = [f"DROP TRIGGER IF EXISTS {name} ON {TABLE}" for name in ("audit_append_only", "audit_no_truncate")]


def guard(connection: "BaseDatabaseWrapper") -> None:
    _run(connection, _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL)


def release(connection: "BaseDatabaseWrapper") -> None:
    _run(connection, _DROP_SQLITE if connection.vendor == "sqlite" else _DROP_POSTGRESQL)


def _run(connection: "BaseDatabaseWrapper", statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)

"""Creates the index for the search for jobs, and defines the lookup that uses it:
``search_text__contains_all=[words]``.

PostgreSQL: a trigram index (extension ``pg_trgm``). SQLite: an FTS5 table of trigrams, which triggers keep up to date.
Both find every part of a word, if the part has at least three characters. The index is created after every ``migrate``,
not by a migration, for two reasons: on SQLite, a migration that rebuilds the table of jobs drops the triggers; on
PostgreSQL, an administrator may install the extension later. Without the index a search reads every row.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Lookup, TextField
from django.db.models.signals import post_migrate

from dupdash.duplication.planner_statistics import update_statistics

logger = logging.getLogger("dupdash.search")

JOBS = "duplication_duplicationjob"
POSTGRESQL_INDEX = "job_search"
# A shorter word has no trigram. It is searched at the start of words only, with the space before it.
PART_LEAST = 3

# The full-text table stores no texts. It numbers its rows itself, because VACUUM may renumber the rows of the jobs.
_SQLITE_STATEMENTS = (
    "CREATE TABLE IF NOT EXISTS job_search_row (number INTEGER PRIMARY KEY, job_id varchar(32) NOT NULL UNIQUE)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS job_search "
    "USING fts5(search_text, content='', tokenize='trigram case_sensitive 1')",
    """CREATE TRIGGER IF NOT EXISTS job_search_insert AFTER INSERT ON duplication_duplicationjob BEGIN
        INSERT INTO job_search_row (job_id) VALUES (new.id);
        INSERT INTO job_search (rowid, search_text) VALUES (last_insert_rowid(), new.search_text);
    END""",
    """CREATE TRIGGER IF NOT EXISTS job_search_update AFTER UPDATE OF search_text ON duplication_duplicationjob
    WHEN old.search_text <> new.search_text BEGIN
        INSERT INTO job_search (job_search, rowid, search_text)
            SELECT 'delete', number, old.search_text FROM job_search_row WHERE job_id = old.id;
        INSERT INTO job_search (rowid, search_text)
            SELECT number, new.search_text FROM job_search_row WHERE job_id = new.id;
    END""",
    """CREATE TRIGGER IF NOT EXISTS job_search_delete AFTER DELETE ON duplication_duplicationjob BEGIN
        INSERT INTO job_search (job_search, rowid, search_text)
            SELECT 'delete', number, old.search_text FROM job_search_row WHERE job_id = old.id;
        DELETE FROM job_search_row WHERE job_id = old.id;
    END""",
)  # fmt: skip
_SQLITE_TRIGGERS = 3


@TextField.register_lookup
class ContainsAll(Lookup):
    """The lookup ``contains_all``: the column contains all given words. Uses the search index if there is one.

    The words must be folded with ``search_text.fold_text``, as the text in the column is.
    """

    lookup_name = "contains_all"
    prepare_rhs = False
    rhs: Sequence[str]

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        column, _ = self.process_lhs(compiler, connection)
        return _like_all(column, self.rhs)

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        column, _ = self.process_lhs(compiler, connection)
        phrases = _phrases(self.rhs, connection)
        if not phrases:
            return self.as_sql(compiler, connection)
        key = column.replace("search_text", "id")
        found = (
            "SELECT job_id FROM job_search_row WHERE number IN (SELECT rowid FROM job_search WHERE job_search MATCH %s)"
        )
        return f"{key} IN ({found})", (phrases,)


@TextField.register_lookup
class ContainsAllScanned(Lookup):
    """The lookup ``contains_all_scanned``: like ``contains_all``, but the database reads each row, not the index.

    This is faster if most jobs match, or if there are few jobs.
    """

    lookup_name = "contains_all_scanned"
    prepare_rhs = False
    rhs: Sequence[str]

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        column, _ = self.process_lhs(compiler, connection)
        # PostgreSQL's index contains the column, not this expression.
        return _like_all(f"({column} || '')", self.rhs)


def _like_all(expression: str, words: Sequence[str]) -> tuple[str, tuple[str | int, ...]]:
    patterns = [f"%{_padded(word).translate(_LIKE_SIGNS)}%" for word in words]
    conditions = " AND ".join(f"{expression} LIKE %s ESCAPE '\\'" for _ in patterns)
    return f"({conditions})", tuple(patterns)


def has_sqlite_index() -> bool:
    """Return whether the database is SQLite and has the search index."""
    connection = connections[DEFAULT_DB_ALIAS]
    return connection.vendor == "sqlite" and _known_to_have_index(connection)


def count_matches(words: Sequence[str], most: int) -> int | None:
    """Return how many jobs contain all words, at most ``most``, from SQLite's search index alone.

    Returns None if a word is too short for this index, or if there is no such index.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    phrases = _phrases(words, connection)
    if not phrases:
        return None
    with connection.cursor() as cursor:
        matches = "SELECT 1 FROM job_search WHERE job_search MATCH %s LIMIT %s"
        cursor.execute(f"SELECT COUNT(*) FROM ({matches})", [phrases, most])  # noqa: S608
        return int(cursor.fetchone()[0])


def _phrases(words: Sequence[str], connection: BaseDatabaseWrapper) -> str:
    """Return the words as a query of the FTS5 table; "" if there is no such table, or if a word has no trigram."""
    padded = [_padded(word) for word in words]
    if not _known_to_have_index(connection) or any(len(word) < PART_LEAST for word in padded):
        return ""
    return " AND ".join('"' + word.replace('"', '""') + '"' for word in padded)


_LIKE_SIGNS = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def _padded(word: str) -> str:
    return word if len(word) >= PART_LEAST else f" {word}"


def create_search_index(connection: BaseDatabaseWrapper) -> None:
    """Create the parts of the index that are missing. If the database supports no such index, logs a warning."""
    try:
        if connection.vendor == "postgresql":
            _create_on_postgresql(connection)
        elif connection.vendor == "sqlite":
            _create_on_sqlite(connection)
    except DatabaseError as error:
        logger.warning("The search index cannot be created, so each search reads every job: %s", error)


def _create_on_postgresql(connection: BaseDatabaseWrapper) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {POSTGRESQL_INDEX} ON {JOBS} USING gin (search_text gin_trgm_ops)")


def _create_on_sqlite(connection: BaseDatabaseWrapper) -> None:
    if has_search_index(connection):
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in _SQLITE_STATEMENTS:
            cursor.execute(statement)
        # The jobs that existed before the triggers.
        cursor.execute("INSERT INTO job_search (job_search) VALUES ('delete-all')")
        cursor.execute("DELETE FROM job_search_row")
        cursor.execute(f"INSERT INTO job_search_row (job_id) SELECT id FROM {JOBS} ORDER BY created_at, id")  # noqa: S608
        cursor.execute(
            "INSERT INTO job_search (rowid, search_text) "  # noqa: S608
            f"SELECT number, search_text FROM job_search_row JOIN {JOBS} ON id = job_id ORDER BY number"
        )


def drop_search_index(cursor: CursorWrapper, vendor: str) -> None:
    """Drop the index, on SQLite only its triggers, so that many jobs can be inserted quickly.

    Call ``create_search_index`` afterwards: it indexes all jobs.
    """
    if vendor == "postgresql":
        cursor.execute(f"DROP INDEX IF EXISTS {POSTGRESQL_INDEX}")
        return
    for trigger in ("insert", "update", "delete"):
        cursor.execute(f"DROP TRIGGER IF EXISTS job_search_{trigger}")


def has_search_index(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the index exists. On SQLite all triggers must exist, or the index would be out of date."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT COUNT(*) FROM pg_indexes WHERE indexname = %s", [POSTGRESQL_INDEX])
            return bool(cursor.fetchone()[0])
        cursor.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'job_search_%%'", [])
        return bool(cursor.fetchone()[0] == _SQLITE_TRIGGERS)


def _known_to_have_index(connection: BaseDatabaseWrapper) -> bool:
    """Return ``has_search_index``. The result is cached for the connection once it is true."""
    known: bool = getattr(connection, "_has_job_search", False) or has_search_index(connection)
    connection._has_job_search = known  # type: ignore[attr-defined]
    return known


def _has_jobs(connection: BaseDatabaseWrapper) -> bool:
    return JOBS in connection.introspection.table_names()


def _migrated(using: str, **_: Any) -> None:
    if _has_jobs(connections[using]):
        create_search_index(connections[using])
        update_statistics(connections[using])


def _warn(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    return [
        Warning(
            "There is no index for the search, so each search reads every job.",
            hint="On PostgreSQL, have an administrator run CREATE EXTENSION pg_trgm in this database; on SQLite, "
            "use a version with FTS5 (3.34 or later). Then run manage.py migrate.",
            id="duplication.W001",
        )
        for alias in databases or ()
        if _has_jobs(connections[alias]) and not has_search_index(connections[alias])
    ]


def connect(config: AppConfig) -> None:
    post_migrate.connect(_migrated, sender=config, dispatch_uid="dupdash.search_index")
    register(_warn, Tags.database)

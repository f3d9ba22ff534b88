"""Checks the database, broker and worker, without which dupdash cannot work, and reports the state of Moodle."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django_q.brokers import get_broker

from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.queue import worker_status
from dupdash.duplication.queue.dispatch import COPIES

logger = logging.getLogger("dupdash.operations")


@dataclass(frozen=True)
class Check:
    """The result of a check. dupdash is not ready if a ``required`` check fails. ``detail``: the problem and advice."""

    name: str
    passed: bool
    detail: str = ""
    required: bool = True


def is_ready(checks: list[Check]) -> bool:
    return all(check.passed for check in checks if check.required)


def readiness() -> list[Check]:
    """Run all checks. If the database is down, the other checks cannot run and are left out."""
    database = check_database()
    if not database.passed:
        return [database]
    return [database, *(_guarded(name, check) for name, check in CHECKS)]


def check_database() -> Check:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        unapplied = _unapplied_migrations()
    except DatabaseError as error:
        logger.warning("the database does not answer: %s", error)
        return Check("database", False, "The database does not answer. Check DATABASE_URL and the database server.")
    if unapplied:
        return Check("database", False, f"Migrations that are missing: {unapplied}. Run manage.py migrate.")
    return Check("database", True)


def _unapplied_migrations() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def check_broker() -> Check:
    """Check the broker, which delivers jobs to workers. While it is down, jobs wait, and nothing is lost."""
    if get_broker(COPIES).ping():
        return Check("broker", True)
    return Check("broker", False, "The message broker does not answer. Check REDIS_URL and the Redis server.")


def check_worker() -> Check:
    worker = worker_status.current()
    if worker.running:
        return Check("worker", True)
    since = f"No worker has run since {worker.last_seen_at:%Y-%m-%d %H:%M:%S %Z}." if worker.last_seen_at else ""
    return Check("worker", False, f"{since or 'No worker was started yet.'} {worker.advice}")


def check_moodle() -> Check:
    """Report the last known state of Moodle, without a request. It is not required, because jobs wait for it."""
    health = MoodleHealth.last_known()
    if not settings.MOODLE_URL:
        return Check("moodle", False, "No Moodle is configured. Set MOODLE_URL and MOODLE_TOKEN.", required=False)
    if health.last_response_at is None:
        return Check("moodle", False, "Moodle has not answered yet. Run manage.py doctor.", required=False)
    if health.paused_at is not None:
        return Check("moodle", False, f"{health.fault_message} {health.advice}".strip(), required=False)
    return Check("moodle", True, required=False)


CHECKS: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("broker", check_broker),
    ("worker", check_worker),
    ("moodle", check_moodle),
)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """Run a check. If it raises an exception, for example of a client library, it counts as failed."""
    try:
        return check()
    except Exception as error:
        logger.warning("the check of the %s failed: %s", name, error)
        return Check(name, False, f"It could not be checked: {type(error).__name__}. The log has the details.")

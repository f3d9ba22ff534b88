"""Tests that the settings of django-q2, SQLite and the supervisor fit together."""

import json
from typing import Any

import pytest

from dupdash.moodle.client import DELETION_LONGEST
from tests.project.support import read_settings, run

COPIES, HOUSEKEEPING = "dupdash-copies", "dupdash-housekeeping"
# The settings that a cluster uses: django-q2 adds its own defaults and those of the first cluster.
PRINT_CLUSTER = """
import json
from django_q.conf import Conf
names = "RETRY TIMEOUT MAX_ATTEMPTS ACK_FAILURES QUEUE_LIMIT BULK".split()
print(json.dumps({name: getattr(Conf, name) for name in names}))
"""


def settings_with(**environment: str) -> dict[str, Any]:
    result = read_settings(SECRET_KEY="only-for-tests", **environment)
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def cluster(name: str, **environment: str) -> dict[str, Any]:
    given = {"SECRET_KEY": "only-for-tests", "DJANGO_SETTINGS_MODULE": "dupdash.settings", "Q_CLUSTER_NAME": name}
    result = run("-c", PRINT_CLUSTER, **given, **environment)
    values: dict[str, Any] = json.loads(result.stdout)
    return values


@pytest.mark.parametrize("hours", [2, 5])
def test_task_of_a_copy_outlives_moodles_timeout(hours: int) -> None:
    """The timeout and retry of django-q2 are longer than Moodle's timeout, so that it does not kill a busy worker."""
    seconds = hours * 3600
    told = cluster(COPIES, MOODLE_DUPLICATION_TIMEOUT=str(seconds))
    assert told["RETRY"] > told["TIMEOUT"] > seconds


def test_housekeeping_task_outlives_the_deletion_timeout() -> None:
    told = cluster(HOUSEKEEPING)
    assert told["RETRY"] > told["TIMEOUT"] > DELETION_LONGEST


@pytest.mark.parametrize("name", [COPIES, HOUSEKEEPING])
def test_message_is_taken_once_and_one_at_a_time(name: str) -> None:
    """The queue delivers a message once, and a worker takes one message at a time.

    The queue must not repeat failed tasks, because the job decides this. No worker may hold a message that another
    worker could run.
    """
    told = cluster(name)
    assert (told["MAX_ATTEMPTS"], told["ACK_FAILURES"]) == (1, True)
    assert (told["QUEUE_LIMIT"], told["BULK"]) == (1, 1)


def test_dead_cluster_is_replaced_within_a_minute() -> None:
    """A dead cluster is replaced within a minute: after the limit for heartbeats plus the longest restart pause."""
    told = settings_with()
    assert told["HEARTBEAT_LIMIT"] + told["RESTART_LONGEST"] < 60


def test_sqlite_transactions_take_the_lock_first_and_wait_for_it() -> None:
    """Transactions on SQLite take the write lock at once, because a transaction that reads first cannot wait for it."""
    options = settings_with()["DATABASES"]["default"]["OPTIONS"]
    assert options["timeout"] >= 20
    assert options["transaction_mode"] == "IMMEDIATE"

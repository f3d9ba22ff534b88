"""Tests the answers to load balancers: ``/healthz``, and ``/readyz`` with the reasons."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import ClusterHeartbeat, MoodleHealth
from dupdash.duplication.queue.dispatch import COPIES
from dupdash.operations import readiness


@pytest.fixture
def running_worker(db: None) -> None:
    ClusterHeartbeat.objects.update_or_create(worker_group=COPIES, cluster=COPIES, defaults={"at": timezone.now()})


def checks_of(client: Client, **headers: str) -> tuple[int, dict[str, dict[str, Any]]]:
    answer = client.get("/readyz", headers=headers)
    return answer.status_code, answer.json()["checks"]


def test_web_process_is_alive_without_the_database(client: Client) -> None:
    """``/healthz`` uses no database: without the fixture ``db`` each query of this test would fail."""
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_by_ip_address_are_answered(client: Client, running_worker: None, path: str) -> None:
    assert client.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_ready_while_a_worker_runs(client: Client, running_worker: None) -> None:
    status, checks = checks_of(client)
    assert status == 200
    assert checks["database"]["passed"]
    assert checks["broker"]["passed"]
    assert checks["worker"]["passed"]


def test_not_ready_without_worker(client: Client, db: None) -> None:
    status, checks = checks_of(client)
    assert status == 503
    assert not checks["worker"]["passed"]


def test_not_ready_after_the_last_heartbeat(client: Client, running_worker: None, settings: Any) -> None:
    old = timezone.now() - timedelta(seconds=settings.HEARTBEAT_LIMIT + 1)
    ClusterHeartbeat.objects.update(at=old)
    assert checks_of(client)[0] == 503


def test_ready_while_moodle_is_down(client: Client, running_worker: None, settings: Any) -> None:
    """dupdash is ready while Moodle is down, because it accepts jobs, which wait."""
    settings.MOODLE_URL = "https://moodle.example.edu"
    MoodleHealth.current()
    MoodleHealth.objects.update(paused_at=timezone.now(), last_response_at=timezone.now(), is_outage=True)
    status, checks = checks_of(client)
    assert status == 200
    assert checks["moodle"] == {"passed": False, "required": False}


def test_not_ready_while_the_broker_is_away(
    client: Client, running_worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise ConnectionError("redis refused the connection")

    monkeypatch.setattr(readiness, "get_broker", refuse)
    status, checks = checks_of(client)
    assert status == 503
    assert not checks["broker"]["passed"]


def test_not_ready_while_the_database_is_away(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("the connection was refused")

    monkeypatch.setattr(readiness, "_unapplied_migrations", refuse)
    status, checks = checks_of(client)
    assert status == 503
    assert list(checks) == ["database"]


def test_reasons_are_given_only_with_the_token(client: Client, db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = "a-token-of-the-monitoring"
    assert "detail" not in checks_of(client)[1]["worker"]
    assert "detail" not in checks_of(client, Authorization="Bearer wrong")[1]["worker"]
    detail = checks_of(client, Authorization="Bearer a-token-of-the-monitoring")[1]["worker"]["detail"]
    assert detail.startswith("No worker was started yet. Start it:")

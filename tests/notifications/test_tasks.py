"""Tests the task that sends mail, even with mail servers that hang or fail."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils.module_loading import import_string

from dupdash.duplication.queue import database_lock, supervisor
from dupdash.duplication.queue.dispatch import HOUSEKEEPING
from dupdash.notifications import sender, tasks
from dupdash.notifications.alarm_timeout import time_limit
from dupdash.notifications.mail_status import mail_problems
from dupdash.operations.tasks import send_messages_and_clean_up
from tests.duplication.support import a_job, await_until
from tests.notifications.support import FailingBackend, rows, succeed, sweep

pytestmark = pytest.mark.django_db


class TricklingServer:
    """A mail server that sends an endless greeting, and counts simultaneous connections."""

    def __init__(self, seconds: float) -> None:
        self.at_once = self.most_at_once = self.connections = 0
        self._seconds = seconds
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._seconds = 0
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                talk, _ = self._listening.accept()
                threading.Thread(target=self._trickle, args=(talk,), daemon=True).start()

    def _trickle(self, talk: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        began = time.monotonic()
        with talk, contextlib.suppress(OSError):
            while time.monotonic() - began < self._seconds:
                talk.sendall(b"220-one moment\r\n")
                time.sleep(0.1)
        with self._lock:
            self.at_once -= 1


@pytest.fixture
def trickling(settings: Any) -> Iterator[TricklingServer]:
    server = TricklingServer(seconds=4)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.close()


def test_first_sweep_of_a_supervisor_is_enqueued_with_the_task_for_emails(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[tuple[str, ...]] = []
    monkeypatch.setattr(supervisor, "enqueue", lambda *call: rung.append(call))
    watching: Any = supervisor.Supervisor()
    watching._request_sweep(1.0)
    names = [call[1] for call in rung if call[0] == HOUSEKEEPING]
    assert send_messages_and_clean_up in [import_string(name) for name in names]


@pytest.mark.django_db(transaction=True)
def test_slow_mail_server_does_not_start_a_second_run(
    faculty: User, sent_mail: Any, trickling: TricklingServer, settings: Any
) -> None:
    settings.LEASE_SECONDS = 1
    succeed(a_job(requester=faculty))

    def run() -> None:
        try:
            tasks.send_due()
        finally:
            connection.close()

    runs = [threading.Thread(target=run) for _ in range(2)]
    for each in runs:
        each.start()
        time.sleep(1.5)
    for each in runs:
        each.join()
    assert trickling.connections == 1
    assert trickling.most_at_once == 1


@pytest.mark.django_db(transaction=True)
def test_endless_smtp_greeting_times_out_and_is_reported(
    faculty: User, sent_mail: Any, trickling: TricklingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "SERVER_TIMEOUT", 0.5)
    succeed(a_job(requester=faculty))
    tasks.send_due()
    assert "longer than 0.5 seconds" in mail_problems().error
    assert [row.attempts for row in rows()] == [0]
    await_until(lambda: trickling.at_once == 0, "the line to be closed")


def test_run_killed_while_connecting_is_reported(
    faculty: User, sent_mail: Any, post_office: type[FailingBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_: FailingBackend) -> bool:
        raise SystemExit("Task exceeded maximum timeout value")

    monkeypatch.setattr(post_office, "open", ended)
    succeed(a_job(requester=faculty))
    with pytest.raises(SystemExit):
        tasks.send_due()
    assert "maximum timeout" in mail_problems().error
    with database_lock.try_lock(database_lock.MAIL) as free:
        assert free


def test_missing_mail_backend_is_reported(faculty: User, sent_mail: Any, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackEnd"
    succeed(a_job(requester=faculty))
    assert sweep() == []
    assert "EmailBackEnd" in mail_problems().error
    assert [row.attempts for row in rows()] == [0]


def test_inner_alarm_timeout_restores_the_outer_one() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        with pytest.raises(TimeoutError), time_limit(0.1):
            time.sleep(5)
        with time_limit(0.1):
            pass
        assert rung == []
        await_until(lambda: rung, "the limit around it")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_alarm_timeout_does_nothing_in_a_thread() -> None:
    slept: list[bool] = []

    def sleep() -> None:
        with time_limit(0.01):
            time.sleep(0.1)
        slept.append(True)

    thread = threading.Thread(target=sleep)
    thread.start()
    thread.join()
    assert slept == [True]

"""Tests that callbacks are signed, repeated until they succeed, and never sent to a forbidden address."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.callbacks import sender, tasks, url_check
from dupdash.callbacks.messages import secret_of
from dupdash.callbacks.models import Callback, Delivery
from dupdash.callbacks.registration import register
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from tests.web.support import a_job

pytestmark = pytest.mark.django_db(transaction=True)


class Receiver:
    """A program that receives callbacks: it answers with ``status`` and stores the calls."""

    def __init__(self) -> None:
        self.status = 200
        self.location = ""
        self.calls: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append((dict(self.headers), body))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://localhost:{self.server.server_port}/done"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.calls[-1][1]))


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOWED_HOSTS = ["localhost"]
    settings.WEBHOOK_ALLOW_PRIVATE = True
    program = Receiver()
    yield program
    program.server.shutdown()
    program.server.server_close()


@pytest.fixture
def token(administrator: User) -> ApiToken:
    return tokens.make(administrator, "night import", days=30)[0]


def ended(token: ApiToken, address: str, state: State = State.SUCCEEDED, **columns: Any) -> Callback:
    job = a_job(state, finished_at=timezone.now(), **columns)
    register(job, token, address)
    return Callback.objects.get(job=job)


def make_due() -> None:
    Callback.objects.update(due_at=timezone.now())


def test_end_of_a_job_is_reported_with_a_signature(receiver: Receiver, token: ApiToken) -> None:
    callback = ended(token, receiver.address, course_id=77, proof="answered")
    tasks.send_due()
    callback.refresh_from_db()
    assert (callback.delivery, callback.last_result) == (Delivery.DELIVERED, "HTTP 200")
    headers, body = receiver.calls[0]
    signed = headers["X-Dupdash-Timestamp"].encode() + b"." + body
    expected = hmac.new(secret_of(token).encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Dupdash-Signature"] == f"sha256={expected}"
    assert receiver.body["duplicateid"] == callback.job_id
    assert (receiver.body["state"], receiver.body["courseid"]) == ("succeeded", 77)


def test_failure_is_reported_with_its_code_and_reason(receiver: Receiver, token: ApiToken) -> None:
    ended(token, receiver.address, State.FAILED, failure_code="shortnametaken")
    tasks.send_due()
    assert receiver.body["failurecode"] == "shortnametaken"
    assert receiver.body["message"].startswith("Another course has the short name")
    assert receiver.body["courseid"] is None


def test_nothing_is_sent_before_the_job_has_ended(receiver: Receiver, token: ApiToken) -> None:
    job = a_job(State.RUNNING)
    register(job, token, receiver.address)
    tasks.send_due()
    assert receiver.calls == []


def test_failed_call_is_repeated_with_growing_delays(receiver: Receiver, token: ApiToken) -> None:
    receiver.status = 503
    callback = ended(token, receiver.address)
    delays = []
    for _ in range(3):
        make_due()
        tasks.send_due()
        callback.refresh_from_db()
        assert callback.last_attempt_at is not None
        delays.append(round((callback.due_at - callback.last_attempt_at).total_seconds()))
    assert delays == [30, 60, 120]
    receiver.status = 204
    make_due()
    tasks.send_due()
    callback.refresh_from_db()
    assert (callback.delivery, callback.attempts) == (Delivery.DELIVERED, 4)


def test_call_is_given_up_after_the_last_attempt(receiver: Receiver, token: ApiToken) -> None:
    receiver.status = 500
    callback = ended(token, receiver.address)
    Callback.objects.update(attempts=sender.ATTEMPTS - 1)
    tasks.send_due()
    callback.refresh_from_db()
    assert callback.delivery == Delivery.GIVEN_UP
    make_due()
    tasks.send_due()
    assert len(receiver.calls) == 1


def test_url_that_is_gone_is_given_up_at_once(receiver: Receiver, token: ApiToken) -> None:
    receiver.status = 410
    callback = ended(token, receiver.address)
    tasks.send_due()
    callback.refresh_from_db()
    assert (callback.delivery, callback.last_result) == (Delivery.GIVEN_UP, "HTTP 410 Gone")


def test_call_of_a_dead_worker_is_repeated(receiver: Receiver, token: ApiToken) -> None:
    callback = ended(token, receiver.address)
    assert sender._claim(callback)
    tasks.send_due()
    assert receiver.calls == []
    Callback.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    tasks.send_due()
    assert len(receiver.calls) == 1


def test_given_up_call_can_be_sent_again(receiver: Receiver, token: ApiToken) -> None:
    callback = ended(token, receiver.address)
    Callback.objects.update(delivery=Delivery.GIVEN_UP, attempts=sender.ATTEMPTS)
    sender.send_again(callback)
    tasks.send_due()
    callback.refresh_from_db()
    assert callback.delivery == Delivery.DELIVERED


def test_redirects_are_not_followed(receiver: Receiver, token: ApiToken) -> None:
    receiver.status, receiver.location = 307, receiver.address + "/elsewhere"
    callback = ended(token, receiver.address)
    tasks.send_due()
    callback.refresh_from_db()
    assert len(receiver.calls) == 1
    assert "redirects are not followed" in callback.last_result


def test_private_network_addresses_are_refused(receiver: Receiver, token: ApiToken, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    callback = ended(token, receiver.address)
    tasks.send_due()
    callback.refresh_from_db()
    assert receiver.calls == []
    assert "private network" in callback.last_result


@pytest.mark.parametrize(
    "answer", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0"]
)
def test_changed_name_cannot_lead_to_a_private_network_address(
    receiver: Receiver, token: ApiToken, settings: Any, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """A callback connects to the IP address that was checked, even if DNS then gives a private address."""
    settings.WEBHOOK_ALLOW_PRIVATE = False
    family = socket.AF_INET6 if ":" in answer else socket.AF_INET
    resolved = [(family, socket.SOCK_STREAM, 6, "", (answer, receiver.server.server_port))]
    monkeypatch.setattr(url_check.socket, "getaddrinfo", lambda *arguments: resolved)
    assert "private network" in sender.send_test(receiver.address, token)


def test_host_that_is_no_longer_allowed_is_given_up(receiver: Receiver, token: ApiToken, settings: Any) -> None:
    callback = ended(token, receiver.address)
    settings.WEBHOOK_ALLOWED_HOSTS = []
    tasks.send_due()
    callback.refresh_from_db()
    assert receiver.calls == []
    assert callback.delivery == Delivery.GIVEN_UP
    assert "WEBHOOK_ALLOWED_HOSTS" in callback.last_result


def test_host_without_answer_is_tried_again(token: ApiToken, settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["localhost"]
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        callback = ended(token, f"http://localhost:{closed.getsockname()[1]}/")
        tasks.send_due()
    callback.refresh_from_db()
    assert (callback.delivery, callback.last_result) == (
        Delivery.WAITING,
        "The connection to the host failed or broke off.",
    )


def test_callback_to_a_host_that_sends_single_bytes_times_out(
    token: ApiToken, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["localhost"]
    settings.WEBHOOK_ALLOW_PRIVATE = True
    monkeypatch.setattr(sender, "READ_TIMEOUT", 0.5)
    left = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Endless: ")
            try:
                while not left.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                left.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        result = sender.send_test(f"http://localhost:{listener.getsockname()[1]}/", token)
        assert left.wait(10)
    assert result == "There was no answer within 0.5 seconds."


def test_chat_gets_one_message_for_each_failure(receiver: Receiver, settings: Any, db: None) -> None:
    settings.CHAT_WEBHOOK_URL = receiver.address
    a_job(State.SUCCEEDED, finished_at=timezone.now())
    failed = a_job(State.FAILED, finished_at=timezone.now(), failure_code="partial_course", fullname="Biology")
    a_job(State.FAILED, finished_at=timezone.now() - timedelta(days=2))
    tasks.send_due()
    tasks.send_due()
    (call,) = receiver.calls
    assert json.loads(call[1])["text"].startswith("The copy “Biology” failed. Moodle stopped in the middle")
    assert f"/jobs/{failed.pk}/" in receiver.body["text"]
    assert "X-Dupdash-Signature" not in call[0]


def test_database_refuses_a_second_chat_message_of_a_job(db: None) -> None:
    job = a_job(State.FAILED)
    Callback.objects.create(job=job)
    Callback.objects.bulk_create([Callback(job=job)], ignore_conflicts=True)
    assert Callback.objects.filter(job=job).count() == 1


def test_no_chat_message_is_sent_without_the_setting(db: None) -> None:
    a_job(State.FAILED, finished_at=timezone.now())
    tasks.send_due()
    assert not Callback.objects.exists()
    assert DuplicationJob.objects.count() == 1

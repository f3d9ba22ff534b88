"""Tests failures on real sockets: requests not sent, answers lost, timeouts, and kept-alive connections."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dupdash import VERSION
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MayHaveStarted, MoodleError, NoTrustworthyAnswer, NotSent
from tests.captures import capture

from .server import Server, answers, drips, http_answer, resets, sends, stalls
from .support import TOKEN, duplicate

Serve = Callable[..., Server]
COPY = {"id": 51, "shortname": "DUP-1"}
CATEGORIES = capture("categories")["body"]
GOOD = http_answer(b'{"id": 51, "shortname": "DUP-1"}')
PATIENT: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 10, "duplication_timeout": 10}


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def lost(url: str, **settings: Any) -> MoodleError:
    """Send a duplication to ``url``, and return the error."""
    with MoodleClient(url, TOKEN, **(PATIENT | settings)) as client, pytest.raises(MoodleError) as raised:
        duplicate(client)
    return raised.value


# --- Requests that were not sent ------------------------------------------------------------------------


def test_refused_connection_was_not_sent(nobody: str) -> None:
    error = lost(nobody)
    assert type(error) is NotSent
    assert "127.0.0.1 refused the connection" in str(error)


def test_unknown_name_was_not_sent() -> None:
    error = lost("http://moodle.invalid")
    assert type(error) is NotSent
    assert "moodle.invalid could not be resolved" in str(error)


def test_connection_that_is_not_accepted_in_time_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        held = []
        for _ in range(3):  # The queue of the listening socket is full, so the next connection waits.
            held.append(socket.socket())
            held[-1].setblocking(False)
            held[-1].connect_ex(full.getsockname())
        error = lost(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.3)
        for sock in held:
            sock.close()
    assert type(error) is NotSent
    assert "accepted no connection within 0.3 seconds" in str(error)


def test_request_through_a_missing_proxy_was_not_sent(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", nobody)
    monkeypatch.setenv("https_proxy", nobody)
    assert type(lost("http://moodle.invalid")) is NotSent
    assert type(lost("https://moodle.invalid")) is NotSent


def test_request_through_a_refused_proxy_tunnel_was_not_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(resets(reads=False), sends(b"HTTP/1.1 503 No\r\n\r\n"))
    monkeypatch.setenv("https_proxy", proxy.url)
    assert type(lost("https://moodle.invalid")) is NotSent


def test_answer_lost_by_a_proxy_may_have_started_something(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    # urllib3 raises a ProxyError for this, too.
    proxy = serve(sends(b""), resets())
    monkeypatch.setenv("http_proxy", proxy.url)
    assert type(lost("http://moodle.invalid")) is NoTrustworthyAnswer
    assert type(lost("http://moodle.invalid")) is NoTrustworthyAnswer
    assert b"core_course_duplicate_course" in proxy.seen[0].request


# --- TLS ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrusted certificate for localhost, with its key in the same file."""
    folder: Path = tmp_path_factory.mktemp("tls")
    both = folder / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is not there to make a certificate")
    both.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return str(both)


def test_untrusted_certificate_is_a_configuration_fault(serve: Serve, certificate: str) -> None:
    server = serve(answers(COPY), tls=certificate)
    error = lost(server.url)
    assert type(error) is ConfigurationFault
    assert "certificate of localhost" in str(error)
    assert not server.seen


def test_trusted_certificate_is_accepted(serve: Serve, certificate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    server = serve(answers(COPY), answers(CATEGORIES), stalls(after=GOOD[:-3]), tls=certificate)
    with MoodleClient(server.url, TOKEN, read_timeout=1) as client:
        assert duplicate(client).id == 51
        assert len(client.categories()) == 1
        with pytest.raises(NoTrustworthyAnswer) as raised:
            client.categories()
        assert raised.value.timed_out


def test_certificate_for_another_name_is_a_configuration_fault(
    serve: Serve, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    server = serve(answers(COPY), tls=certificate)
    error = lost(server.url.replace("localhost", "127.0.0.1"))
    assert type(error) is ConfigurationFault


def test_https_to_an_http_server_is_a_configuration_fault(serve: Serve) -> None:
    server = serve(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100), sends(b""))
    server.steps[0].reads = False
    error = lost(server.url.replace("http:", "https:"))
    assert type(error) is ConfigurationFault
    assert "https" in str(error)


def test_handshake_that_fails_was_not_sent(serve: Serve) -> None:
    for step in (stalls(reads=False), resets(reads=False)):
        server = serve(step)
        assert type(lost(server.url.replace("http:", "https:"), connect_timeout=0.3)) is NotSent


def test_missing_certificate_file_is_a_configuration_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    error = lost("https://moodle.invalid")
    assert type(error) is ConfigurationFault
    assert error.function == "core_course_duplicate_course"


# --- Requests that may have been sent -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "detail"),
    [
        (resets(reads=False), "the connection broke off"),
        (resets(), "the connection broke off"),
        (resets(after=GOOD[:-3]), "the connection broke off"),
        (sends(b""), "the connection broke off"),
        (sends(GOOD[:-3]), "an answer that was cut short"),
        (sends(http_answer(b'{"id": 51, "shortname": "DUP-1"}', length=500)), "an answer that was cut short"),
        (sends(b"HTTP/1.1 200 OK\r\n\r\n" + b'{"id": 51, "shor'), "JSON that is broken or cut short"),
        (
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + b'{"id": 51, "shortname": '),
            "an answer that was cut short",
        ),
        (
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n"),
            "an answer that was cut short",
        ),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{}"), "an answer that could not be read"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n{}"), "an answer that could not be read"),
        (sends(b"220 mail.example.edu ESMTP\r\n"), "an answer that could not be read"),
        (sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"), "an answer that could not be read"),
    ],
)
def test_lost_answer_may_have_started_something(serve: Serve, step: Any, detail: str) -> None:
    server = serve(step, answers(COPY))
    error = lost(server.url)
    assert type(error) is NoTrustworthyAnswer
    assert error.detail == detail
    assert isinstance(error, MayHaveStarted)
    assert server.connections == 1, "it was sent again"


@pytest.mark.parametrize("step", [stalls(), stalls(after=GOOD[:20]), stalls(after=GOOD[:-3])])
def test_late_answer_may_have_started_something(serve: Serve, step: Any) -> None:
    server = serve(step, answers(COPY))
    error = lost(server.url, duplication_timeout=0.2)
    assert isinstance(error, NoTrustworthyAnswer)
    assert error.detail == "no complete answer within 0.2 seconds"
    assert error.timed_out
    assert server.connections == 1, "it was sent again"


@pytest.mark.parametrize(
    "step",
    [
        drips(b'{"id": 51, "shortname": "DUP-1"}', after=GOOD[:-32]),
        drips(b"1\r\nx\r\n" * 20, after=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        drips(b"x" * 100, after=b"HTTP/1.1 200 OK\r\nX: "),
    ],
    ids=["body", "chunks", "headers"],
)
def test_slow_bytes_end_at_the_read_timeout(serve: Serve, step: Any) -> None:
    server = serve(step)
    with MoodleClient(server.url, TOKEN, read_timeout=0.2) as client, pytest.raises(NoTrustworthyAnswer) as raised:
        client.categories()
    assert raised.value.timed_out


def test_slow_answer_within_the_timeout_is_read(serve: Serve) -> None:
    server = serve(drips(GOOD[-10:], after=GOOD[:-10], every=0.01))
    with MoodleClient(server.url, TOKEN, duplication_timeout=5) as client:
        assert duplicate(client).id == 51


def test_endless_answer_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dupdash.moodle.transport.BODY_LONGEST", 100_000)
    server = serve(sends(http_answer(b" " * 1_000_000)))
    assert "64 MiB" in str(lost(server.url, duplication_timeout=5))


def test_redirect_target_gets_no_token(serve: Serve) -> None:
    other = serve(answers(COPY))
    for status in ("307 Temporary Redirect", "308 Permanent Redirect", "302 Found"):
        location = f"Location: {other.url}/webservice/rest/server.php\r\n"
        server = serve(sends(http_answer(b"", status=status, headers=location)))
        error = lost(server.url)
        assert type(error) is ConfigurationFault
        assert other.url in str(error)
    assert other.connections == 0


def test_error_status_is_reported_although_its_page_is_lost(serve: Serve) -> None:
    for status, kind in (("403 Forbidden", ConfigurationFault), ("504 Gateway Time-out", NoTrustworthyAnswer)):
        server = serve(stalls(after=http_answer(b"<html>", status=status, length=999)))
        assert type(lost(server.url, duplication_timeout=0.2)) is kind


def test_maintenance_from_the_command_line_is_a_configuration_fault(serve: Serve) -> None:
    # The answer of lib/setup.php after `php admin/cli/maintenance.php --enable`.
    server = serve(
        sends(http_answer(b"<html>", status="503 Moodle under maintenance")),
        sends(http_answer(b"<html>", status="503 Service Unavailable")),
    )
    assert type(lost(server.url)) is ConfigurationFault
    assert type(lost(server.url)) is NoTrustworthyAnswer


# --- Connections ----------------------------------------------------------------------------------------


def test_reads_share_a_connection(serve: Serve) -> None:
    server = serve(*[answers(CATEGORIES)] * 3)
    with MoodleClient(server.url, TOKEN) as client:
        for _ in range(3):
            client.categories()
    assert server.connections == 1


@pytest.mark.parametrize("death", [sends(b""), resets(), resets(reads=False)])
def test_read_survives_a_closed_kept_alive_connection(serve: Serve, death: Any) -> None:
    server = serve(answers(CATEGORIES), death, answers(CATEGORIES))
    with MoodleClient(server.url, TOKEN) as client:
        assert client.categories() == client.categories()
    assert [exchange.connection for exchange in server.seen] == [1, 1, 2]


def test_long_idle_connection_is_not_used_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(answers(CATEGORIES), answers(CATEGORIES))
    monkeypatch.setattr("dupdash.moodle.transport.IDLE_LONGEST", -1.0)
    with MoodleClient(server.url, TOKEN) as client:
        client.categories()
        client.categories()
    assert server.connections == 2


def test_timed_out_read_is_not_repeated(serve: Serve) -> None:
    server = serve(stalls(), answers(CATEGORIES))
    with MoodleClient(server.url, TOKEN, read_timeout=0.1) as client, pytest.raises(NoTrustworthyAnswer):
        client.categories()
    assert server.connections == 1


def test_read_with_a_refused_connection_is_repeated(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("dupdash.moodle.transport.BACKOFF", (0.1, 0.3))
    monkeypatch.setattr("dupdash.moodle.transport.time.sleep", naps.append)
    with MoodleClient(nobody, TOKEN) as client, pytest.raises(NotSent):
        client.categories()
    assert naps == [0.1, 0.3]


def test_duplication_uses_a_new_connection(serve: Serve) -> None:
    server = serve(answers(CATEGORIES), answers(COPY), answers(CATEGORIES), answers({"warnings": []}))
    with MoodleClient(server.url, TOKEN) as client:
        client.categories()
        duplicate(client)
        client.categories()
        client.delete_course(51)
    assert [exchange.connection for exchange in server.seen] == [1, 2, 1, 3]
    assert b"\r\nConnection: close\r\n" in server.seen[1].request
    assert f"\r\nUser-Agent: dupdash/{VERSION}\r\n".encode() in server.seen[1].request


def test_error_of_an_earlier_request_does_not_change_the_result(serve: Serve, nobody: str) -> None:
    server = serve(resets())
    try:
        with requests.Session() as session:
            session.get(nobody)
    except requests.ConnectionError:
        error = lost(server.url)
    assert type(error) is NoTrustworthyAnswer

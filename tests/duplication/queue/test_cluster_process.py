"""Tests the clusters that the supervisor forks: their settings, process names and exit status."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django_q.conf import Conf

from dupdash.duplication.queue import cluster_process
from dupdash.duplication.queue.cluster_process import fork_cluster, use_settings_of
from dupdash.duplication.queue.dispatch import COPIES, HOUSEKEEPING
from tests.duplication.support import await_until


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def django_q_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLUSTER_NAME", "WORKERS", "TIMEOUT", "RETRY", "RECYCLE"):
        monkeypatch.setattr(Conf, name, getattr(Conf, name))


def test_cluster_uses_its_own_settings(django_q_settings: None, settings: Any) -> None:
    use_settings_of(HOUSEKEEPING)
    wanted = settings.Q_CLUSTER["ALT_CLUSTERS"][HOUSEKEEPING]
    assert Conf.CLUSTER_NAME == HOUSEKEEPING
    assert {name: getattr(Conf, name.upper()) for name in wanted} == wanted


def test_first_cluster_keeps_the_common_settings(django_q_settings: None, settings: Any) -> None:
    use_settings_of(COPIES)
    assert (Conf.CLUSTER_NAME, Conf.WORKERS) == (COPIES, settings.MOODLE_CONCURRENCY)


def test_exit_status_of_a_fork_is_known(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_process, "_become_cluster", lambda *_: None)
    assert fork_cluster(COPIES, {}, pipe).wait(20) == 0
    monkeypatch.setattr(cluster_process, "_become_cluster", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert fork_cluster(COPIES, {}, pipe).wait(20) == -signal.SIGKILL


def test_error_in_a_fork_does_not_end_the_supervisor(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(cluster_process, "_become_cluster", fail)
    assert fork_cluster(COPIES, {}, pipe).wait(20) == 1
    assert "RuntimeError: broken" in capfd.readouterr().err


def test_waiting_for_a_running_fork_times_out(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_process, "_become_cluster", lambda *_: signal.pause())
    process = fork_cluster(COPIES, {}, pipe)
    assert os.getpgid(process.pid) == process.pid, "its group can be killed at once"
    with pytest.raises(TimeoutError):
        process.wait(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(20) == -signal.SIGKILL


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="names processes in /proc")
def test_process_shows_the_name_of_its_cluster(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def show_name(*_: Any) -> None:
        cluster_process.name_process(HOUSEKEEPING)
        signal.pause()

    monkeypatch.setattr(cluster_process, "_become_cluster", show_name)
    process = fork_cluster(HOUSEKEEPING, {}, pipe)
    try:
        own = Path(f"/proc/{process.pid}/comm")
        await_until(lambda: own.read_text().strip() == HOUSEKEEPING[:15], "the name")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)

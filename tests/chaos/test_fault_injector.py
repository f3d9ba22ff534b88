"""Tests that the fault injector counts only actions with an effect: a killed process, or a fault that struck a call."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.faults import make_fault
from dupdash.sandbox.server import Sandbox
from tests.chaos.__main__ import LONG, is_well
from tests.chaos.environment import Installation
from tests.chaos.fault_injector import ACT_LONGEST, BUSY, IDLE, FaultInjector
from tests.chaos.faults import FAULTS, SetFaults, for_certain
from tests.chaos.processes import (
    HERE,
    MARK,
    PATIENCE,
    Postgres,
    Process,
    Redis,
    Stopped,
    carrying,
    descendants,
    wait_until,
)
from tests.duplication.support import a_job

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")

# A supervisor with one main process and two workers.
FAMILY = "sh -c 'sleep 60 & sleep 60 & wait' & wait; exec sleep 60"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation without running processes."""
    installation = Installation(tmp_path, seed=1)
    installation.worker = Process("worker", ["sh", "-c", FAMILY], dict(os.environ), tmp_path)
    yield installation
    installation.stop()


def below(installation: Installation, generation: int) -> set[int]:
    assert installation.worker.popen is not None
    return {pid for pid, depth in descendants(installation.worker.popen.pid).items() if depth == generation}


@pytest.fixture
def family(installation: Installation) -> Installation:
    installation.worker.start()
    wait_until(lambda: len(below(installation, 2)) == 2, "the family")
    return installation


def play(injector: FaultInjector, name: str) -> str:
    (act,) = [act for act in injector.kills if act.name == name]
    return injector.play(act)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [BUSY, IDLE, "killed a main process", "killed a whole cluster", "killed the supervisor"],
)
def test_kill_without_a_process_is_not_counted(installation: Installation, name: str) -> None:
    installation.worker = Process("worker", ["true"], {}, installation.folder)
    injector = FaultInjector(installation)
    assert play(injector, name) == ""
    assert injector.done[name] == 0
    assert name in injector.missing


def test_kill_of_a_process_is_counted(family: Installation) -> None:
    name = "killed a main process"
    injector, victims = FaultInjector(family), below(family, 1)
    assert play(injector, name) == name
    wait_until(lambda: not victims & below(family, 1), "the death")
    assert injector.done[name] == 1
    assert name not in injector.missing


@pytest.mark.parametrize("name", ["killed the supervisor", "deployed (SIGTERM)"])
def test_ended_supervisor_is_started_again(installation: Installation, name: str) -> None:
    installation.worker = Process("worker", ["sleep", "60"], dict(os.environ), installation.folder)
    installation.worker.start()
    first = installation.worker.popen
    assert play(FaultInjector(installation), name) == name
    assert installation.worker.alive
    assert installation.worker.popen is not first


def slow_to_end(seconds: float) -> list[str]:
    """Start a process that takes some time to end after SIGTERM."""
    return [
        sys.executable,
        "-c",
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    print('ending', flush=True)\n    time.sleep({seconds})\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\ntime.sleep(99)",
    ]


def started(installation: Installation, command: list[str]) -> None:
    installation.worker = Process("worker", command, dict(os.environ), installation.folder)
    installation.worker.start()
    says(installation, "up")


def says(installation: Installation, word: str) -> None:
    wait_until(lambda: word in (installation.folder / "worker.log").read_text(), f"the word {word!r}")


def test_deploy_longer_than_allowed_is_an_error(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.fault_injector.DEPLOY_WITHIN", 1.0)
    started(installation, slow_to_end(90))
    with pytest.raises(TimeoutError):
        play(FaultInjector(installation), "deployed (SIGTERM)")


def test_deploy_waits_for_orphaned_processes(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment waits ten seconds for all processes together, including workers whose main process was killed."""
    monkeypatch.setattr("tests.chaos.fault_injector.DEPLOY_WITHIN", 2.0)
    started(installation, ["sh", "-c", "(setsid sleep 60 &) ; echo up; exec sleep 60"])
    with pytest.raises(TimeoutError, match="worker"):
        play(FaultInjector(installation), "deployed (SIGTERM)")


def test_supervisor_that_ended_by_itself_is_a_violation(installation: Installation) -> None:
    installation.worker = Process("worker", ["true"], dict(os.environ), installation.folder)
    installation.worker.start()
    wait_until(lambda: not installation.worker.alive, "the end of the supervisor")
    injector = FaultInjector(installation)
    assert injector.violations == []
    assert play(injector, "killed the supervisor") == ""
    assert injector.violations == ["the supervisor had ended by itself 1 times"]
    injector.broken = "TimeoutError: it did not end"
    assert "the injector itself failed: TimeoutError: it did not end" in injector.violations


def test_nothing_is_restarted_after_the_environment_stopped(installation: Installation) -> None:
    started(installation, slow_to_end(2))
    injector = FaultInjector(installation)
    injector.due = [act for act in injector.kills if act.name == "deployed (SIGTERM)"]
    injector.start()
    says(installation, "ending")
    installation.stop()
    injector.join(20)
    assert not injector.is_alive()
    assert not installation.worker.alive


def test_abandoned_fault_injector_stops(installation: Installation) -> None:
    started(installation, slow_to_end(0.5))
    injector = FaultInjector(installation)
    injector.due = [act for act in injector.kills if act.name == "deployed (SIGTERM)"]
    injector.start()
    says(installation, "ending")
    injector.abandon()
    assert not injector.is_alive()
    assert injector.broken == ""
    FaultInjector(installation).abandon()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="starts a Redis")
def test_stopped_redis_is_not_restarted(tmp_path: Path) -> None:
    redis = Redis(tmp_path)
    redis.start()
    restarting = threading.Thread(target=swallow(lambda: redis.restart(away=1)), daemon=True)
    restarting.start()
    wait_until(lambda: not listens(redis.port), "the end of Redis")
    redis.stop()
    restarting.join(20)
    assert not listens(redis.port)


@pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin")), reason="starts a PostgreSQL")
def test_stopped_postgresql_is_not_restarted() -> None:
    # PostgreSQL's user must be able to enter the folder. It cannot enter a folder of pytest.
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder))
        postgres.start()
        restarting = threading.Thread(target=swallow(lambda: postgres.restart(away=1)), daemon=True)
        restarting.start()
        wait_until(lambda: not listens(postgres.port), "the end of PostgreSQL")
        postgres.stop()
        restarting.join(20)
        assert not listens(postgres.port)


def swallow(act: Callable[[], None]) -> Callable[[], None]:
    """Ignore the exception of an injector that has been stopped."""

    def in_silence() -> None:
        with contextlib.suppress(Stopped):
            act()

    return in_silence


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_stopped_environment_leaves_no_process(installation: Installation) -> None:
    """Stopping the environment also ends a process with its own session and a dead parent."""
    started(installation, ["sh", "-c", "(setsid sleep 60 &) ; echo up; exec sleep 60"])
    mark = f"{MARK}={installation.folder}/"
    assert len(carrying(mark)) == 2
    installation.stop()
    assert carrying(mark) == set()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_run_ended_by_a_signal_leaves_no_process(tmp_path: Path, signal_number: int) -> None:
    """A signal during the requests ends all processes of the run, including the workers and waiting clients."""
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos", "--jobs", "2"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    mark = f"{MARK}={tmp_path}/"
    try:
        wait_until(lambda: len(carrying(mark)) > 6, "the workers")
        run.send_signal(signal_number)
        assert run.wait(ACT_LONGEST + PATIENCE) != 0
        assert carrying(mark) == set()
    finally:
        run.kill()
        for pid in carrying(mark):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.django_db
def test_worker_is_busy_if_a_job_names_it(family: Installation) -> None:
    injector = FaultInjector(family)
    busy, idle = below(family, 2)
    assert play(injector, BUSY) == ""
    job = a_job(State.RUNNING, lease_owner=f"copies-1:{busy}:abc")
    assert play(injector, BUSY) == BUSY
    wait_until(lambda: below(family, 2) == {idle}, "the death of the busy one")
    assert play(injector, BUSY) == ""
    assert play(injector, IDLE) == IDLE
    wait_until(lambda: not below(family, 2), "the death of the idle one")
    DuplicationJob.objects.filter(pk=job.pk).delete()
    assert (injector.done[BUSY], injector.done[IDLE]) == (1, 1)


def test_fault_that_has_not_happened_is_repeated(installation: Installation) -> None:
    injector = FaultInjector(installation)
    names = [act.name for act in injector.due]
    assert sorted(names) == sorted(injector.missing)
    injector.due.clear()
    play(injector, "killed a main process")
    assert [act.name for act in injector.due] == ["killed a main process"]


def test_near_the_end_only_kills_are_required(installation: Installation) -> None:
    """Near the end of a run only kills are required, because few calls are left for faults."""
    injector = FaultInjector(installation)
    injector.near_its_end.set()
    assert {injector.next().name for _ in injector.kills} == set(injector.missing_kills)


@pytest.mark.parametrize(("jobs", "well"), [(LONG - 1, True), (LONG, False)])
def test_long_run_requires_every_fault(jobs: int, well: bool) -> None:
    assert is_well(jobs, [], ["restarted Redis"]) is well
    assert is_well(jobs, [], [])
    assert not is_well(jobs, ["a violation"], [])


def test_fault_is_counted_by_calls_that_it_struck(installation: Installation) -> None:
    with Sandbox() as sandbox:
        installation.sandbox_url = sandbox.url
        faults = SetFaults(installation)

        def ask() -> None:
            requests.post(f"{sandbox.url}/webservice/rest/server.php", {"wsfunction": "anything"}, timeout=10)

        html = ({"name": "html", "function": "*"},)
        faults.set(html)
        assert faults.clear() == (html, 0)
        ask()
        faults.set(html)
        ask()
        ask()
        assert faults.clear() == (html, 2)
        both = (*html, {"name": "wrong_course", "function": "*"})
        faults.set(both)
        ask()
        assert faults.clear() == (both, 0)
        assert faults.clear() == ((), 0)


def test_every_fault_can_be_set() -> None:
    for fault in (fault for faults in FAULTS for fault in (*faults, *for_certain(faults))):
        make_fault(**fault)

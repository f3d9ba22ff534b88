"""What the storm counts has happened: somebody was there to be killed, a fault struck a call."""

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
from tests.chaos.environment import World
from tests.chaos.fault_injector import BUSY, IDLE, FaultInjector
from tests.chaos.faults import FAULTS, SetFaults, for_certain
from tests.chaos.processes import HERE, MARK, Postgres, Process, Redis, Stopped, carrying, descendants, wait_until
from tests.duplication.support import a_job

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")

# A supervisor with one main process, one sentinel and two workers.
FAMILY = "sh -c 'sh -c \"sleep 60 & sleep 60 & wait\" & wait' & wait; exec sleep 60"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of which nothing was started."""
    world = World(tmp_path, seed=1)
    world.worker = Process("worker", ["sh", "-c", FAMILY], dict(os.environ), tmp_path)
    yield world
    world.stop()


def below(world: World, generation: int) -> set[int]:
    assert world.worker.popen is not None
    return {pid for pid, depth in descendants(world.worker.popen.pid).items() if depth == generation}


@pytest.fixture
def family(world: World) -> World:
    world.worker.start()
    wait_until(lambda: len(below(world, 3)) == 2, "the family")
    return world


def play(storm: FaultInjector, name: str) -> str:
    (act,) = [act for act in storm.deaths if act.name == name]
    return storm.play(act)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [BUSY, IDLE, "killed a sentinel", "killed a main process", "killed a whole cluster", "killed the supervisor"],
)
def test_kill_without_a_process_is_not_counted(world: World, name: str) -> None:
    world.worker = Process("worker", ["true"], {}, world.folder)
    storm = FaultInjector(world)
    assert play(storm, name) == ""
    assert storm.done[name] == 0
    assert name in storm.missing


@pytest.mark.parametrize(("name", "generation"), [("killed a sentinel", 2), ("killed a main process", 1)])
def test_kill_of_a_process_is_counted(family: World, name: str, generation: int) -> None:
    storm, victims = FaultInjector(family), below(family, generation)
    assert play(storm, name) == name
    wait_until(lambda: not victims & below(family, generation), "the death")
    assert storm.done[name] == 1
    assert name not in storm.missing


@pytest.mark.parametrize("name", ["killed the supervisor", "deployed (SIGTERM)"])
def test_ended_supervisor_is_started_again(world: World, name: str) -> None:
    world.worker = Process("worker", ["sleep", "60"], dict(os.environ), world.folder)
    world.worker.start()
    first = world.worker.popen
    assert play(FaultInjector(world), name) == name
    assert world.worker.alive
    assert world.worker.popen is not first


def slow_to_end(seconds: float) -> list[str]:
    """Says when it is asked to end."""
    return [
        sys.executable,
        "-c",
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    print('ending', flush=True)\n    time.sleep({seconds})\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\ntime.sleep(99)",
    ]


def started(world: World, command: list[str]) -> None:
    world.worker = Process("worker", command, dict(os.environ), world.folder)
    world.worker.start()
    says(world, "up")


def says(world: World, word: str) -> None:
    wait_until(lambda: word in (world.folder / "worker.log").read_text(), f"the word {word!r}")


def test_deploy_longer_than_ten_seconds_is_an_error(world: World) -> None:
    started(world, slow_to_end(12))
    with pytest.raises(TimeoutError):
        play(FaultInjector(world), "deployed (SIGTERM)")


def test_deploy_waits_for_orphaned_processes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ten seconds are for all together, and a sentinel that was killed leaves its workers to the machine."""
    monkeypatch.setattr("tests.chaos.fault_injector.DEPLOY_WITHIN", 2.0)
    started(world, ["sh", "-c", "(setsid sleep 60 &) ; echo up; exec sleep 60"])
    with pytest.raises(TimeoutError, match="worker"):
        play(FaultInjector(world), "deployed (SIGTERM)")


def test_supervisor_that_ended_by_itself_is_a_violation(world: World) -> None:
    world.worker = Process("worker", ["true"], dict(os.environ), world.folder)
    world.worker.start()
    wait_until(lambda: not world.worker.alive, "the end of the supervisor")
    storm = FaultInjector(world)
    assert storm.violations == []
    assert play(storm, "killed the supervisor") == ""
    assert storm.violations == ["the supervisor had ended by itself 1 times"]
    storm.broken = "TimeoutError: it did not end"
    assert "the storm itself broke: TimeoutError: it did not end" in storm.violations


def test_nothing_is_restarted_after_the_environment_stopped(world: World) -> None:
    started(world, slow_to_end(2))
    storm = FaultInjector(world)
    storm.due = [act for act in storm.deaths if act.name == "deployed (SIGTERM)"]
    storm.start()
    says(world, "ending")
    world.stop()
    storm.join(20)
    assert not storm.is_alive()
    assert not world.worker.alive


def test_abandoned_fault_injector_stops(world: World) -> None:
    started(world, slow_to_end(0.5))
    storm = FaultInjector(world)
    storm.due = [act for act in storm.deaths if act.name == "deployed (SIGTERM)"]
    storm.start()
    says(world, "ending")
    storm.abandon()
    assert not storm.is_alive()
    assert storm.broken == ""
    FaultInjector(world).abandon()


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
    # Its user has to get there, and does not get into a folder of pytest's.
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
    """The thread of a storm that is over may break."""

    def in_silence() -> None:
        with contextlib.suppress(Stopped):
            act()

    return in_silence


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_stopped_environment_leaves_no_process(world: World) -> None:
    """Not even one that has a session of its own, and whose parent is gone."""
    started(world, ["sh", "-c", "(setsid sleep 60 &) ; echo up; exec sleep 60"])
    mark = f"{MARK}={world.folder}/"
    assert len(carrying(mark)) == 2
    world.stop()
    assert carrying(mark) == set()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_run_ended_by_a_signal_leaves_no_process(tmp_path: Path, signal_number: int) -> None:
    """The workers are at work by then, and people think about what to ask for."""
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
        assert run.wait(30) != 0
        assert carrying(mark) == set()
    finally:
        run.kill()
        for pid in carrying(mark):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.django_db
def test_worker_is_busy_if_a_job_names_it(family: World) -> None:
    storm = FaultInjector(family)
    busy, idle = below(family, 3)
    assert play(storm, BUSY) == ""
    job = a_job(State.RUNNING, lease_owner=f"copies-1:{busy}:abc")
    assert play(storm, BUSY) == BUSY
    wait_until(lambda: below(family, 3) == {idle}, "the death of the busy one")
    assert play(storm, BUSY) == ""
    assert play(storm, IDLE) == IDLE
    wait_until(lambda: not below(family, 3), "the death of the idle one")
    DuplicationJob.objects.filter(pk=job.pk).delete()
    assert (storm.done[BUSY], storm.done[IDLE]) == (1, 1)


def test_fault_that_has_not_happened_is_repeated(world: World) -> None:
    storm = FaultInjector(world)
    names = [act.name for act in storm.due]
    assert sorted(names) == sorted(storm.missing)
    storm.due.clear()
    play(storm, "killed a sentinel")
    assert [act.name for act in storm.due] == ["killed a sentinel"]


def test_near_the_end_only_kills_are_required(world: World) -> None:
    """Faults find hardly a call to strike any more; everything else must not wait for them."""
    storm = FaultInjector(world)
    storm.near_its_end.set()
    assert {storm.next().name for _ in storm.deaths} == set(storm.deaths_missing)


@pytest.mark.parametrize(("jobs", "well"), [(LONG - 1, True), (LONG, False)])
def test_long_run_requires_every_fault(jobs: int, well: bool) -> None:
    assert is_well(jobs, [], ["restarted Redis"]) is well
    assert is_well(jobs, [], [])
    assert not is_well(jobs, ["a violation"], [])


def test_fault_is_counted_by_calls_that_it_struck(world: World) -> None:
    with Sandbox() as sandbox:
        world.sandbox_url = sandbox.url
        faults = SetFaults(world)

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

"""What the storm counts has happened: somebody was there to be killed, a fault struck a call."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.faults import make_fault
from dupdash.sandbox.server import Sandbox
from tests.chaos.__main__ import LONG, is_well
from tests.chaos.faults import FAULTS, SetFaults, for_certain
from tests.chaos.processes import Process, descendants, wait_until
from tests.chaos.storm import BUSY, IDLE, Storm
from tests.chaos.world import World
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
    world.worker.kill()


def below(world: World, generation: int) -> set[int]:
    assert world.worker.popen is not None
    return {pid for pid, depth in descendants(world.worker.popen.pid).items() if depth == generation}


@pytest.fixture
def family(world: World) -> World:
    world.worker.start()
    wait_until(lambda: len(below(world, 3)) == 2, "the family")
    return world


def play(storm: Storm, name: str) -> str:
    (act,) = [act for act in storm.deaths if act.name == name]
    return storm.play(act)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [BUSY, IDLE, "killed a sentinel", "killed a main process", "killed a whole cluster", "killed the supervisor"],
)
def test_a_death_without_a_victim_is_none(world: World, name: str) -> None:
    world.worker = Process("worker", ["true"], {}, world.folder)
    storm = Storm(world)
    assert play(storm, name) == ""
    assert storm.done[name] == 0
    assert name in storm.missing


@pytest.mark.parametrize(("name", "generation"), [("killed a sentinel", 2), ("killed a main process", 1)])
def test_a_death_with_a_victim_counts(family: World, name: str, generation: int) -> None:
    storm, victims = Storm(family), below(family, generation)
    assert play(storm, name) == name
    wait_until(lambda: not victims & below(family, generation), "the death")
    assert storm.done[name] == 1
    assert name not in storm.missing


@pytest.mark.parametrize("name", ["killed the supervisor", "deployed (SIGTERM)"])
def test_a_supervisor_that_was_ended_is_started_again(world: World, name: str) -> None:
    world.worker = Process("worker", ["sleep", "60"], dict(os.environ), world.folder)
    world.worker.start()
    first = world.worker.popen
    assert play(Storm(world), name) == name
    assert world.worker.alive
    assert world.worker.popen is not first


@pytest.mark.django_db
def test_a_worker_is_busy_when_a_job_says_so(family: World) -> None:
    storm = Storm(family)
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


def test_what_has_not_happened_is_played_again(world: World) -> None:
    storm = Storm(world)
    names = [act.name for act in storm.due]
    assert sorted(names) == sorted(storm.missing)
    storm.due.clear()
    play(storm, "killed a sentinel")
    assert [act.name for act in storm.due] == ["killed a sentinel"]


def test_near_its_end_only_deaths_are_still_due(world: World) -> None:
    """Faults find hardly a call to strike any more; everything else must not wait for them."""
    storm = Storm(world)
    storm.near_its_end.set()
    assert {storm.next().name for _ in storm.deaths} == set(storm.deaths_missing)


@pytest.mark.parametrize(("jobs", "well"), [(LONG - 1, True), (LONG, False)])
def test_a_long_run_needs_everything_to_have_happened(jobs: int, well: bool) -> None:
    assert is_well(jobs, [], ["restarted Redis"]) is well
    assert is_well(jobs, [], [])
    assert not is_well(jobs, ["a violation"], [])


def test_a_fault_counts_by_the_calls_that_it_struck(world: World) -> None:
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

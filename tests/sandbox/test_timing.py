"""Tests the computed durations of copies in the sandbox, without waiting."""

from __future__ import annotations

import threading

import pytest

from dupdash.sandbox.errors import SimulatedError
from dupdash.sandbox.running_copies import Copies
from dupdash.sandbox.seed import university
from dupdash.sandbox.state import State
from dupdash.sandbox.timing import SHARES, Gates, Pace, Stopped, crowding, seconds_for

from .conftest import Serve
from .support import Caller


@pytest.mark.parametrize(("activities", "seconds"), [(5, 1), (64, 6), (307, 45)])
def test_copy_takes_the_measured_time(activities: int, seconds: float) -> None:
    assert seconds_for(activities) == pytest.approx(seconds)


def test_more_activities_take_longer() -> None:
    times = [seconds_for(activities) for activities in (0, 1, 5, 20, 64, 200, 307, 1000)]
    assert times == sorted(set(times))


def test_steps_have_the_shares_of_the_trace() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)
    assert SHARES["backup"] == pytest.approx(20.15 / 39.34, abs=0.01)
    assert SHARES["hidden"] == pytest.approx(2.0 / 39.34, abs=0.01)
    assert SHARES["renamed"] == pytest.approx(13.55 / 39.34, abs=0.01)


def test_copies_slow_each_other_down_about_as_measured() -> None:
    # 8.4, 12.7, 19.9 and 23.8 copies per minute at a concurrency of 1, 2, 4 and 8.
    for copies, a_minute in ((1, 8.4), (2, 12.7), (4, 19.9), (8, 23.8)):
        assert copies / crowding(copies) == pytest.approx(a_minute / 8.4, rel=0.2)


def test_speed_divides_the_time(serve: Serve) -> None:
    seconds = []
    for speed in (100, 1000):
        moodle = serve(speed=speed)
        with moodle.sandbox.held_at("backup"):
            copying = moodle.duplicate_meanwhile("NEW-1")
            moodle.sandbox.wait_for_step("backup")
            seconds.append(moodle.sandbox.copies.all()[0].seconds)
        copying.result()
    assert seconds[0] == pytest.approx(10 * seconds[1])


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_invalid_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be a number above 0"):
        Pace(speed)


def test_wait_ends_when_the_sandbox_stops() -> None:
    pace = Pace(1)
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(Stopped):
            pace.wait(3600)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    pace.stopping.set()
    assert ended.wait(20)


def test_unknown_step_cannot_be_held() -> None:
    with pytest.raises(ValueError, match="no such step: lunch"):
        Gates(threading.Event()).hold("lunch")


def test_copies_of_one_source_collide_about_as_often_as_measured() -> None:
    """About 3 of 40 copies of one source collide at a concurrency of 8, as measured."""
    from dupdash.sandbox.server import COLLISION_WINDOW

    share = COLLISION_WINDOW * SHARES["backup"]
    assert 7 * share == pytest.approx(3 / 40, abs=0.03)


def test_only_one_file_of_a_source_is_written_at_a_time() -> None:
    copies = Copies(State(university("university")), Pace(1), 1, "seed")
    with copies.writing(7):
        with pytest.raises(SimulatedError, match=r"backup\.mbz"), copies.writing(7):
            pass
        with copies.writing(8):
            pass
    with copies.writing(7):
        pass


def test_twenty_pollers_are_served_while_copies_run(moodle: Caller) -> None:
    answers: list[int] = []

    def poll() -> None:
        for _ in range(10):
            answers.append(len(moodle.by_shortname("BIO101-2026S1")))

    pollers = [threading.Thread(target=poll) for _ in range(20)]
    copies = [moodle.duplicate_meanwhile(f"NEW-{number}") for number in range(5)]
    for poller in pollers:
        poller.start()
    for poller in pollers:
        poller.join()
    assert answers == [1] * 200
    assert sorted(copy.result()["shortname"] for copy in copies) == [f"NEW-{number}" for number in range(5)]

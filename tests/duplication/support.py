"""Helpers for tests of the engine: request copies, run workers and checks, and wait for conditions."""

import contextlib
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs

import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from dupdash.duplication import jobs, moodle_health, tasks
from dupdash.duplication.drivers.copy_evidence import CopyEvidence, TrackedCourse
from dupdash.duplication.engine import checking
from dupdash.duplication.engine.follow import follow_due_jobs
from dupdash.duplication.models import DuplicationJob, JobEvent, MoodleHealth, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import Draft, prepare
from dupdash.duplication.states import TRANSITIONS, State
from dupdash.moodle import options as duplication_options
from dupdash.moodle.errors import MoodleError
from dupdash.sandbox.http_messages import Request, Reset, Response
from dupdash.sandbox.records import Course
from dupdash.sandbox.server import Sandbox
from tests.background_threads import PATIENCE, await_threads


def await_until(condition: Callable[[], object], what: str = "the condition", patience: float = PATIENCE) -> None:
    """Return soon after ``condition()`` holds. Raises AssertionError after ``patience`` seconds.

    The condition is checked less often the longer it takes, because checking it may need much CPU time.
    """
    deadline = time.monotonic() + patience
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s in vain for {what}")
        time.sleep(pause)
        pause = min(1.1 * pause, 0.05)


class Clock:
    """The clock of dupdash, which a test can move forward. The sandbox and the database have their own clocks."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    def forward(self, seconds: float) -> None:
        self._traveller.shift(seconds)


class Moodle(Sandbox):
    """The sandbox as dupdash's Moodle site. A test can replace the answers of single calls."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(collision_window=0, **rest)
        self.switches = self.moodle.switches
        # The short names that a test requests twice on purpose.
        self.may_be_sent_twice: set[str] = set()
        # How often each function was called.
        self.called: Counter[str] = Counter()
        self._steps: list[tuple[str, str, Callable[[], Response | None]]] = []

    def when(self, function: str, act: Callable[[], Any], *, about: str = "") -> None:
        """Run ``act`` once, when a call of this function arrives that has the value ``about`` in its parameters."""

        def step() -> None:
            act()

        self._steps.append((function, about, step))

    def answer_once(self, function: str, errorcode: str | None, message: str) -> None:
        """Answer the next call of a function with an error that the sandbox would not give."""
        code = {} if errorcode is None else {"errorcode": errorcode}
        self.answer_with(function, {"exception": "moodle_exception", **code, "message": message})

    def answer_with(self, function: str, answer: Any, *, after: Callable[[], Any] = lambda: None) -> None:
        """Run ``after`` and answer the next call of a function with ``answer``. The sandbox does not get the call."""

        def step() -> Response:
            after()
            return Response(200, "application/json; charset=utf-8", json.dumps(answer).encode())

        self._steps.append((function, "", step))

    def answer_page(self, function: str, status: int, title: str, *, about: str = "") -> None:
        """Answer the next call of a function that has the value ``about`` in its parameters with an HTML page."""

        def step() -> Response:
            return Response(status, "text/html", f"<html><head><title>{title}</title></head></html>".encode())

        self._steps.append((function, about, step))

    def replace_answer(
        self, function: str, status: int, *, sent_by: Callable[[], Any], until: Callable[[], Any]
    ) -> None:
        """Answer the next call of a function as a proxy would, while the sandbox works on the call.

        ``sent_by`` passes the request on to the sandbox, and ``until`` waits for the time of the answer.
        """

        def step() -> Response:
            Background(sent_by).start()
            until()
            return Response(status, "text/html", b"<html><head><title>Forbidden</title></head></html>")

        self._steps.append((function, "", step))

    def named(self, shortname: str) -> list[Course]:
        return self.state.by_shortname(shortname)

    def by_id(self, course_id: int | None) -> Course | None:
        return self.state.course(course_id) if course_id is not None else None

    def change(self, course_id: int | None, **columns: Any) -> None:
        assert course_id is not None
        assert self.state.change(course_id, **columns) is not None

    def made(self) -> list[Course]:
        """Return the courses that copies made, including partial ones."""
        return [course for course in self.state.courses() if course.origin == "copy"]

    def add(self, shortname: str, **columns: Any) -> Course:
        """Add a course as if a person had created it."""
        given = {"fullname": f"Course {shortname}", "categoryid": 2, "origin": "created"} | columns
        return self.state.add(shortname=shortname, **given)

    def never_sent_twice(self) -> None:
        """Assert that no request was sent again that might have started, and no course was made twice.

        After an empty shell was deleted, one more request is allowed.
        """
        shells = Counter(course["requested"].casefold() for course in self.calls.deleted if is_shell(course))
        for shortname, asked in self.calls.asked.items():
            if shortname not in self.may_be_sent_twice:
                allowed = 1 + shells[shortname]
                assert asked - self.calls.refused[shortname] <= allowed, f"{shortname} was sent again"
                assert self.calls.created[shortname] <= allowed, f"{shortname} was made twice"

    def never_disturbed(self) -> None:
        """Assert that no course was looked up in its first milliseconds, which would break its restore."""
        assert not self.calls.disturbed, f"looked up too early: {dict(self.calls.disturbed)}"

    def _handle(self, request: Request) -> Response | Reset:
        given = parse_qs(request.body.decode(), keep_blank_values=True)
        called = given.get("wsfunction", [""])[0]
        self.called[called] += 1
        values = [value for found in given.values() for value in found]
        for step in tuple(self._steps):
            function, about, act = step
            if function == called and (not about or about in values):
                self._steps.remove(step)
                if (answer := act()) is not None:
                    return answer
                break
        return super()._handle(request)


def is_shell(course: Mapping[str, Any]) -> bool:
    """Return whether a deleted course was an empty shell that a copy had left."""
    left = course["origin"] == "copy" and not course["complete"] and not course["visible"]
    return bool(left and course["sections"] <= 1 and not course["modules"])


def draft(source: str = "AT&T", shortname: str = "NEW-1", **rest: Any) -> Draft:
    given: dict[str, Any] = {"fullname": f"Copy called {shortname}", "category_id": 2} | rest
    return Draft(source=source, shortname=shortname, **given)


def refusal(code: str) -> dict[str, str]:
    """Return an error answer of Moodle, which has HTTP status 200."""
    return {"exception": "moodle_exception", "errorcode": code, "message": "No."}


def submit(
    source: str = "AT&T",
    shortname: str = "NEW-1",
    *,
    actor: User | None = None,
    via: str = "",
    **rest: Any,
) -> DuplicationJob:
    """Request a copy. Returns the job, which is dispatched but not run."""
    with open_client() as client:
        request = prepare(draft(source, shortname, **rest), Origin.FORM, client)
        return jobs.submit(request, actor=actor, client=client, via=via)


def a_job(state: State = State.QUEUED, shortname: str = "NEW-1", **columns: Any) -> DuplicationJob:
    """Create a job in this state directly in the database, with a first event."""
    now = timezone.now()
    given: dict[str, Any] = {
        "state": state,
        "origin": Origin.FORM,
        "source_id": 4711,
        "source_shortname": "SRC",
        "source_fullname": "Source",
        "fullname": f"Copy called {shortname}",
        "shortname": shortname,
        "category_id": 2,
        "options": duplication_options.effective({}),
        "queued_at": None if state == State.AWAITING_APPROVAL else now,
        "created_at": now,
    } | columns
    job = DuplicationJob.objects.create(**given)
    if job.retry_of_id:
        DuplicationJob.objects.filter(pk=job.retry_of_id).update(is_retried=True)
    JobEvent.objects.create(job=job, kind="submitted", from_state="", to_state=state, reason="As a test wants it.")
    return job


def compared(source: int, copy: int, **figures: Any) -> dict[str, Any]:
    """Return the sections or the activities of a report that compares a copy with its source."""
    equal: dict[str, Any] = {"missing": [], "more_missing": 0, "extra": [], "more_extra": 0}
    return {"source": source, "expected": source, "copy": copy, "matched": min(source, copy)} | equal | figures


def evidence_json(*courses: dict[str, Any], own: int | None = None, **rest: Any) -> dict[str, Any]:
    """Return evidence about courses that were seen with temporary names. ``own``: the id of the proven copy."""
    given: dict[str, Any] = {
        "visible": True,
        "category_id": 2,
        "first_seen": 0.0,
        "last_lookup_at": 0.0,
        "renamed": True,
    }
    tracked = tuple(TrackedCourse(**(given | course | rest)) for course in courses)
    return CopyEvidence(course_id=own, courses=tracked).to_json()


def kinds(job: DuplicationJob) -> list[str]:
    return list(job.events.values_list("kind", flat=True))


def reason(job: DuplicationJob, kind: str) -> str:
    """Return the reason of the last event of this kind."""
    event = job.events.filter(kind=kind).last()
    assert event is not None, f"no event {kind} among {kinds(job)}"
    return event.reason


def timeline_of(job: DuplicationJob) -> str:
    return "\n".join(f"{event.kind}: {event.reason}" for event in job.events.all())


def dispatch_again(job: DuplicationJob) -> None:
    """End the delay of an automatic retry, and dispatch the job."""
    DuplicationJob.objects.filter(pk=job.pk).update(retry_at=None, dispatched_at=timezone.now())


def run_worker(job: DuplicationJob) -> DuplicationJob:
    """Run the job as a worker that gets its message, and wait until the copy is confirmed and no answer is awaited."""
    tasks.run_job(job.pk)
    await_threads()
    job.refresh_from_db()
    return job


def run_dispatched() -> None:
    """Run the dispatched jobs as idle workers would, until none is left."""
    while dispatched := list(DuplicationJob.objects.dispatched()):
        for job in dispatched:
            run_worker(job)


def check_next(job: DuplicationJob, clock: Clock) -> DuplicationJob:
    """Move the clock forward to the next check of a job, and run the check."""
    job.refresh_from_db()
    assert job.check_at is not None, f"no check is due: {job.state}"
    # While the site counts as down, no job is checked before the next probe.
    probe_at = MoodleHealth.current().probe_at if moodle_health.is_down() else None
    due = max(job.check_at, probe_at or job.check_at)
    clock.forward(max(0.0, (due - timezone.now()).total_seconds()) + 0.001)
    tasks.sweep()
    job.refresh_from_db()
    return job


def check_until_ended(job: DuplicationJob, clock: Clock, *, unresolved_too: bool = False) -> DuplicationJob:
    """Run the checks of a job as they become due, until the job has ended or is unresolved."""
    going_on = {State.CHECKING, State.RUNNING} | ({State.UNRESOLVED} if unresolved_too else set())
    for _ in range(500):
        job.refresh_from_db()
        if job.state not in going_on:
            return job
        check_next(job, clock)
    raise AssertionError(f"500 checks did not end it:\n{timeline_of(job)}")


def check(job: DuplicationJob) -> DuplicationJob:
    """Check a job once, whether it is due or not."""
    DuplicationJob.objects.filter(pk=job.pk).update(check_at=timezone.now())
    with open_client() as client:
        if job.state == State.RUNNING:
            follow_due_jobs(client, math.inf)
        else:
            checking.check(job.pk, client)
    job.refresh_from_db()
    return job


class Background(threading.Thread):
    """A thread with its own database connection that does something at the same time as the test."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def finish(self) -> None:
        self.join(PATIENCE)
        assert not self.is_alive(), "still at work"
        if self.error is not None:
            raise self.error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()


def working_on(job: DuplicationJob) -> Background:
    """Run the job with a worker in the background while the context manager is active."""

    def work() -> None:
        tasks.run_job(job.pk)
        await_threads()

    return Background(work)


def wait_until_state(state: State, job: DuplicationJob) -> None:
    def arrived() -> bool:
        job.refresh_from_db()
        return job.state == state

    await_until(arrived, f"the state {state}")


def wait_until_course_is_seen(job: DuplicationJob) -> None:
    """Wait until a lookup has shown the course of a job with its temporary name."""

    def seen() -> bool:
        job.refresh_from_db()
        return job.restore_at is not None

    await_until(seen, "the course to be seen")


def run_proven(moodle: Moodle) -> DuplicationJob:
    """Run a new job until its call ends. A lookup has shown its course with a temporary name before."""
    job = submit()
    with moodle.held_at("renamed"), working_on(job):
        wait_until_course_is_seen(job)
        moodle.gates.release()
    return job


def send_directly(job: DuplicationJob) -> None:
    with open_client() as client, contextlib.suppress(MoodleError):
        client.duplicate_course(
            source_id=job.source_id,
            fullname=job.fullname,
            shortname=job.shortname,
            category_id=job.category_id,
            visible=job.visible,
            options=job.options,
        )


def assert_complete_timelines() -> None:
    """Assert that the events of every job are allowed transitions that lead to its state."""
    for job in DuplicationJob.objects.prefetch_related("events"):
        before = ""
        for event in job.events.all():
            whole = event.from_state == before and event.reason.strip()
            moved = before and event.to_state != before
            assert whole, f"{job}:\n{timeline_of(job)}"
            assert not moved or event.to_state in TRANSITIONS[before], f"{job}:\n{timeline_of(job)}"
            before = event.to_state
        assert before == job.state, f"the story of {job} ends elsewhere:\n{timeline_of(job)}"


def scale_periods(wanted: Any) -> None:
    """Shorten the intervals of lookups for the fast sandbox. Periods that tests skip with the clock are unchanged."""
    wanted.WATCH_INTERVAL = 0.005
    wanted.FOLLOW_INTERVAL = wanted.STATUS_INTERVAL = 0.02
    # Leases are not renewed in tests that do not need this.
    wanted.LEASE_SECONDS = 3600
    wanted.MOODLE_CONNECT_TIMEOUT = 5
    wanted.MOODLE_READ_TIMEOUT = PATIENCE
    wanted.MOODLE_DUPLICATION_TIMEOUT = PATIENCE
    wanted.MOODLE_DRIVER = "auto"
    wanted.ASYNC_URL = wanted.ASYNC_TOKEN = ""
    wanted.FACULTY_CATEGORIES = []
    # The default of three hours means 180 checks, which show no more than 20 checks.
    wanted.CHECK_LIMIT_UNKNOWN = 1200


def point_at(wanted: Any, sandbox: Sandbox) -> None:
    wanted.MOODLE_URL = sandbox.url
    wanted.MOODLE_TOKEN = sandbox.token


M = TypeVar("M", bound=Moodle)


@contextlib.contextmanager
def serving(wanted: Any, moodle: M) -> Iterator[M]:
    """Run this sandbox as dupdash's Moodle site, and assert at the end that no request was sent twice."""
    with moodle:
        scale_periods(wanted)
        point_at(wanted, moodle)
        yield moodle
        moodle.gates.release()
    await_threads()
    moodle.never_sent_twice()


def concurrency() -> int:
    return int(settings.MOODLE_CONCURRENCY)

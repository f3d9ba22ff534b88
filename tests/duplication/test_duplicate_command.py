"""Tests the output and the exit status of ``manage.py duplicate``."""

import logging
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import execute_from_command_line

from dupdash.duplication import jobs, tasks
from dupdash.duplication.management.commands import duplicate
from dupdash.duplication.models import DuplicationJob, MoodleHealth, Origin
from dupdash.duplication.states import State
from tests.duplication.support import Background, Moodle, await_until, submit

pytestmark = pytest.mark.django_db(transaction=True)

Ran = tuple[int, str, str]
Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Return a function that runs the command, and returns its exit status, its output and its error output."""
    monkeypatch.setattr(duplicate, "POLL_SECONDS", 0.01)
    level = logging.getLogger("dupdash").level

    def run(*arguments: str) -> Ran:
        code = 0
        try:
            execute_from_command_line(["manage.py", "duplicate", *arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capsys.readouterr()

    yield run
    logging.getLogger("dupdash").setLevel(level)


def arguments_for(source: str = "AT&T", shortname: str = "NEW-1", category: str = "2") -> tuple[str, ...]:
    return (source, "--fullname", "A copy", "--shortname", shortname, "--category", category)


def a_worker(meanwhile: Callable[[DuplicationJob], Any] = lambda job: None) -> Background:
    """Run a worker in the background that takes the first dispatched job."""

    def work() -> None:
        await_until(lambda: DuplicationJob.objects.filter(dispatched_at__isnull=False).exists(), "a job")
        job = DuplicationJob.objects.get(dispatched_at__isnull=False)
        meanwhile(job)
        tasks.run_job(job.pk)

    return Background(work)


def test_success_prints_the_events_and_exits_with_0(moodle: Moodle, command: Command) -> None:
    with a_worker():
        code, out, err = command(*arguments_for())
    assert (code, err) == (0, "")
    job = DuplicationJob.objects.get()
    lines = out.splitlines()
    assert [line[10:] for line in lines[:-1]] == list(job.events.values_list("reason", flat=True))
    assert lines[0][2] == ":", "each line begins with the time"
    assert lines[-1] == f"The copy is complete: {moodle.url}/course/view.php?id={moodle.course('NEW-1').id}"
    assert "\x1b" not in out, "no colours and no bars in a pipe"


def test_command_submits_a_job(moodle: Moodle, command: Command) -> None:
    source = moodle.course("BIO101-2026S1")
    options = ("--hidden", "--option", "users=1", "--option", "blocks=0", "--no-wait")
    code, out, _ = command(*arguments_for("bio101-2026s1"), *options)
    job = DuplicationJob.objects.get()
    assert (code, out.strip()) == (0, job.pk)
    assert (job.source_id, job.fullname, job.shortname, job.visible) == (source.id, "A copy", "NEW-1", False)
    assert (job.requester, job.origin, job.events.get().via) == (None, Origin.COMMAND, "command line")
    assert job.options["users"]
    assert job.options["enrolments"]
    assert not job.options["blocks"]
    assert job.state == State.QUEUED, "who has a shell needs nobody's approval"


def test_source_can_be_an_id(moodle: Moodle, command: Command) -> None:
    source = moodle.course("AT&T")
    assert command(*arguments_for(str(source.id)), "--no-wait")[0] == 0
    assert DuplicationJob.objects.get().source_id == source.id


def test_failure_prints_the_reason_and_exits_with_1(moodle: Moodle, command: Command) -> None:
    with a_worker(lambda job: moodle.add("NEW-1", fullname="In the way")):
        code, out, err = command(*arguments_for())
    assert code == 1
    assert "Failed: Moodle did not make this copy: Another course has the short name now." in err
    assert "complete" not in out


def test_cancelled_job_exits_with_1(moodle: Moodle, command: Command) -> None:
    with a_worker(lambda job: jobs.cancel(job, actor=None)):
        code, _, err = command(*arguments_for())
    assert code == 1
    assert "Cancelled" in err


def test_unreachable_moodle_exits_with_1(moodle: Moodle, command: Command) -> None:
    moodle.switches.tokens_revoked = True
    code, _, err = command(*arguments_for())
    assert code == 1
    assert "MOODLE_TOKEN" in err
    assert moodle.token not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (arguments_for("no such course"), "source: Moodle has no such course"),
        (
            arguments_for(shortname="at&t"),
            "shortname: A course in Moodle already has this short name. Choose another. The course is “AT&T",
        ),
        (arguments_for(shortname=""), "shortname: Enter a short name"),
        (arguments_for(category="98765"), "category: Moodle has no such category"),
        (arguments_for(category="x"), "invalid int value"),
        (arguments_for()[:-2], "--category"),
        ((*arguments_for(), "--option", "users"), "--option users: must be NAME=0 or NAME=1"),
        ((*arguments_for(), "--option", "everything=1"), "with NAME one of activities, blocks"),
        ((*arguments_for(), "--option", "users=2"), "must be NAME=0 or NAME=1"),
    ],
)
def test_invalid_arguments_exit_with_2(moodle: Moodle, command: Command, arguments: tuple[str, ...], told: str) -> None:
    code, _, err = command(*arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert DuplicationJob.objects.count() == 0


def test_taken_short_name_exits_with_2_and_names_the_job(moodle: Moodle, command: Command, faculty: User) -> None:
    job = submit(shortname="new-1", actor=faculty)
    code, _, err = command(*arguments_for())
    assert code == 2
    assert "shortname: Another unfinished copy already has this short name." in err
    assert f"The copy is “{job.fullname}” (job {job.pk}), requested by Fay Faculty." in err


def test_unsupported_options_are_refused(moodle: Moodle, command: Command) -> None:
    code, _, err = command(*arguments_for(), "--option", "users=1", "--option", "enrolments=0")
    assert code == 2
    assert "options: Enrolment methods (enrolments): This Moodle always copies" in err
    assert not DuplicationJob.objects.exists()


def test_dates_and_idnumber_are_submitted(command: Command, moodle: Moodle) -> None:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "plugin"})
    dates = ("--startdate", "2026-09-14", "--enddate", "2027-01-30", "--idnumber", "B-27", "--option", "enrolments=2")
    code, _, errors = command(*arguments_for(), *dates, "--no-wait")
    assert (code, errors) == (0, "")
    job = DuplicationJob.objects.get()
    assert (job.startdate, job.enddate, job.idnumber) == (date(2026, 9, 14), date(2027, 1, 30), "B-27")
    assert job.options["enrolments"] == 2


def test_invalid_date_exits_with_2(command: Command, moodle: Moodle) -> None:
    code, _, errors = command(*arguments_for(), "--startdate", "14.9.2026")
    assert code == 2
    assert "14.9.2026 is not a date such as 2026-09-14" in errors

"""Tests ``manage.py doctor``: it names each fault and what to do, and its trial copy leaves no course."""

import socket
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from dupdash.duplication import tasks
from dupdash.duplication.models import ClusterHeartbeat, DuplicationJob
from dupdash.duplication.queue.dispatch import COPIES
from dupdash.duplication.states import State
from dupdash.operations import host_findings, trial_copy
from tests.duplication.support import Moodle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _without_the_warning_about_the_suite(settings: Any) -> None:
    """Silence Django's deployment check for DJANGO_ALLOW_ASYNC_UNSAFE, which only the test suite sets."""
    settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "async.E001"]


def doctor(*arguments: str) -> str:
    """Run the command. Returns its output, followed by the error if there is one."""
    output = StringIO()
    try:
        call_command("doctor", *arguments, stdout=output, no_color=True)
    except CommandError as error:
        output.write(f"CommandError: {error}\n")
    return output.getvalue()


@pytest.fixture
def good_host(settings: Any, tmp_path: Any) -> None:
    """The settings of a host without a fault."""
    settings.SITE_URL = "https://dupdash.example.edu"
    settings.ALLOWED_HOSTS = ["dupdash.example.edu"]
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "base.css").touch()
    ClusterHeartbeat.objects.update_or_create(worker_group=COPIES, cluster=COPIES, defaults={"at": timezone.now()})


def line_of(output: str, subject: str) -> str:
    return next(line for line in output.splitlines() if f"  {subject}: " in line)


def test_good_host_and_site_have_no_problem(moodle: Moodle, good_host: None) -> None:
    output = doctor()
    assert "PROBLEM" not in output
    assert output.endswith("No problem found.\n")
    assert f"Sandbox University ({moodle.url})" in line_of(output, "Site")


def test_problems_are_counted_and_nothing_else_is_skipped(moodle: Moodle, settings: Any) -> None:
    settings.SITE_URL = "https://elsewhere.example.edu"
    output = doctor()
    assert "ALLOWED_HOSTS does not name elsewhere.example.edu" in output
    assert "No worker was started yet." in line_of(output, "Worker")
    assert "Run manage.py collectstatic." in output
    assert "Sandbox University" in output
    assert output.splitlines()[-1] == "CommandError: 3 problems found."


def test_examination_that_breaks_is_a_finding(moodle: Moodle, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ConnectionError("the cache refused the connection")

    monkeypatch.setattr(host_findings, "EXAMINATIONS", (("Cache", broken), ("Worker", host_findings.examine_worker)))
    output = doctor()
    assert line_of(output, "Cache") == (
        "PROBLEM  Cache: It could not be examined: ConnectionError: the cache refused the connection"
    )
    assert line_of(output, "Worker")


def test_unreachable_mail_server_is_a_problem(moodle: Moodle, settings: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = unused.getsockname()
        assert "cannot be used" in line_of(doctor(), "Mail")


def test_unreachable_moodle_is_a_problem(moodle: Moodle, good_host: None) -> None:
    moodle.faults.set("refuse", seconds=3600)
    assert "refused the connection" in line_of(doctor(), "Moodle")


def test_missing_moodle_url_is_reported(settings: Any, good_host: None) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    assert "Set MOODLE_URL and MOODLE_TOKEN" in line_of(doctor(), "Moodle")


@pytest.fixture
def working_inline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Run the work of a worker whenever the command waits."""

    def work(seconds: float) -> None:
        job = DuplicationJob.objects.filter(state=State.QUEUED).first()
        if job is not None:
            tasks.run_job(job.pk)
        tasks.sweep()

    monkeypatch.setattr(trial_copy, "sleep", work)
    return lambda: None


def test_trial_copy_is_made_and_removed(moodle: Moodle, good_host: None, working_inline: Any) -> None:
    courses = len(moodle.state.courses())
    output = doctor("--copy", "7", "--category", "2")
    job = DuplicationJob.objects.get()
    assert job.state == State.SUCCEEDED
    assert "was deleted in Moodle" in output
    assert output.endswith("No problem found.\n")
    assert len(moodle.state.courses()) == courses


def test_trial_copy_of_an_unknown_course_is_a_problem(moodle: Moodle, good_host: None) -> None:
    output = doctor("--copy", "999999", "--category", "2")
    assert "PROBLEM  Trial copy: source:" in output
    assert not DuplicationJob.objects.exists()


def test_trial_copy_that_no_worker_takes_is_a_problem(moodle: Moodle, good_host: None) -> None:
    output = doctor("--copy", "7", "--category", "2", "--timeout", "0")
    assert "is still queued after 0 s" in output


@pytest.mark.parametrize("arguments", [("--copy", "7"), ("--category", "2")])
def test_copy_option_needs_the_category_option(moodle: Moodle, arguments: tuple[str, str]) -> None:
    assert "belong together" in doctor(*arguments)

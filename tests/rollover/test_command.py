"""Tests ``manage.py rollover`` and its exit status."""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from dupdash.duplication.models import Batch, DuplicationJob
from dupdash.duplication.states import State
from dupdash.rollover.management.commands import rollover as module
from dupdash.rollover.models import Plan
from tests.duplication.support import Moodle, run_dispatched
from tests.rollover.files import HEADINGS
from tests.rollover.support import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _moodle(moodle: Moodle) -> None: ...


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """Restore the level of the log after a test, because the command changes it for its process."""
    level = logging.getLogger("dupdash").level
    yield
    logging.getLogger("dupdash").setLevel(level)


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run dispatched jobs whenever the command waits."""

    def work(seconds: float) -> None:
        run_dispatched()

    monkeypatch.setattr(module, "sleep", work)


def run(folder: Path, content: str, *arguments: str) -> int:
    """Run the command, and return its exit status."""
    file = folder / "list.csv"
    file.write_text(content)
    try:
        call_command("rollover", str(file), *arguments)
    except CommandError as error:
        print(error)
        return error.returncode
    return 0


def test_all_rows_are_copied(tmp_path: Path, moodle: Moodle, working: None, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.csv"
    assert run(tmp_path, rows(3), "--report", str(report)) == 0
    assert "All copies succeeded: 3." in capsys.readouterr().out
    assert {job.state for job in DuplicationJob.objects.all()} == {State.SUCCEEDED}
    with report.open(encoding="utf-8-sig", newline="") as file:
        assert [line["state"] for line in csv.DictReader(file)] == ["Succeeded"] * 3


def test_dry_run_only_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, rows(3), "--dry-run") == 0
    assert "Rows that can be copied: 3. Nothing was started." in capsys.readouterr().out
    assert not DuplicationJob.objects.exists()
    assert not Plan.objects.exists()


def test_row_with_an_error_stops_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = f"{rows(1)}\n4711,Gone,GONE,8"
    assert run(tmp_path, content) == 2
    assert "row 3, source: Moodle has no course “4711”." in capsys.readouterr().out
    assert not DuplicationJob.objects.exists()
    assert run(tmp_path, content, "--dry-run") == 2


def test_rows_with_errors_are_skipped_on_request(tmp_path: Path, working: None) -> None:
    assert run(tmp_path, f"{rows(1)}\n4711,Gone,GONE,8", "--skip-errors") == 0
    assert DuplicationJob.objects.count() == 1


def test_failed_copy_ends_the_command_with_1(
    tmp_path: Path, moodle: Moodle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(seconds: float) -> None:
        DuplicationJob.objects.update(state=State.FAILED)

    monkeypatch.setattr(module, "sleep", fail)
    assert run(tmp_path, rows(2)) == 1
    assert "Copies that succeeded: 0 of 2." in capsys.readouterr().out


def test_start_that_cannot_read_moodle_ends_the_command_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(plan: Plan, deadline: float) -> None:
        Plan.objects.filter(pk=plan.pk).update(failure="dupdash could not read from Moodle.")

    monkeypatch.setattr(module, "continue_start", fail)
    assert run(tmp_path, rows(2)) == 1


@pytest.mark.parametrize(
    ("content", "said"), [("", "The file is empty"), ("a,b\n1,2", "No known column"), (f"{HEADINGS}\n", "no row below")]
)
def test_unreadable_file_ends_with_2(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, content) == 2
    assert said in capsys.readouterr().out


def test_missing_file_and_wrong_time_end_with_2(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read") as missing:
        call_command("rollover", str(tmp_path / "none.csv"))
    assert missing.value.returncode == 2
    assert run(tmp_path, rows(1), "--start", "01/02/2027") == 2


def test_no_wait_prints_the_id_of_the_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, rows(1), "--no-wait") == 0
    assert Batch.objects.get().pk in capsys.readouterr().out

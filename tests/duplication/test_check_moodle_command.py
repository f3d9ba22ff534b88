"""``manage.py check_moodle``: which site, what the token lacks, what to do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import execute_from_command_line
from django.db import OperationalError
from django.utils import timezone

from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.queue import worker_status
from dupdash.duplication.queue.dispatch import COPIES
from dupdash.sandbox.accounts import LIMITED_TOKEN, MANAGER_TOKEN
from tests.duplication.support import Moodle

pytestmark = pytest.mark.django_db(transaction=True)

Ran = tuple[int, str, str]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[[], Ran]:
    def run() -> Ran:
        code = 0
        try:
            execute_from_command_line(["manage.py", "check_moodle"])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capsys.readouterr()

    return run


def test_it_says_which_site_this_is(moodle: Moodle, check: Callable[[], Ran]) -> None:
    code, out, err = check()
    assert (code, err) == (0, "")
    assert f"Site:    Sandbox University ({moodle.url})" in out
    assert "Version: Moodle 4.5.6" in out
    assert "Account: admin, a site administrator" in out
    assert f"Categories the account may see: {len(moodle.state.categories)}" in out
    assert out.rstrip().endswith("dupdash can work with this site.")


def test_it_says_what_cannot_be_done_without_a_function(
    moodle: Moodle, check: Callable[[], Ran], settings: Any
) -> None:
    settings.MOODLE_TOKEN = LIMITED_TOKEN
    code, out, _ = check()
    assert code == 0
    assert "Without core_course_delete_courses partial courses and unwanted copies cannot be deleted" in out


def test_it_names_the_functions_that_no_job_can_do_without(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.switches.withdrawn = frozenset({"core_course_duplicate_course", "core_course_get_contents"})
    code, out, err = check()
    assert code == 1
    assert "The token may not call: core_course_get_contents, core_course_duplicate_course." in err
    assert "External services" in err
    assert "can work" not in out


def test_it_says_what_to_do_about_an_invalid_token(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.switches.tokens_revoked = True
    code, _, err = check()
    assert code == 1
    assert "MOODLE_TOKEN" in err
    assert moodle.token not in err


def test_it_says_that_the_site_is_in_maintenance(moodle: Moodle, check: Callable[[], Ran], settings: Any) -> None:
    settings.MOODLE_TOKEN = MANAGER_TOKEN
    moodle.switches.maintenance = True
    code, _, err = check()
    assert code == 1
    assert "Maintenance mode" in err


@pytest.mark.parametrize("fault", ["html", "empty"])
def test_it_asks_whether_this_is_the_address_of_a_moodle(moodle: Moodle, check: Callable[[], Ran], fault: str) -> None:
    moodle.faults.set(fault, function="*")
    code, _, err = check()
    assert code == 1
    assert f"Is {moodle.url} the address of the site?" in err


def test_it_says_that_nobody_listens(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.faults.set("refuse", seconds=3600)
    code, _, err = check()
    assert code == 1
    assert "refused the connection" in err
    assert "Traceback" not in err


def test_it_says_which_settings_are_missing(settings: Any, check: Callable[[], Ran]) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    code, _, err = check()
    assert code == 1
    assert "MOODLE_URL and MOODLE_TOKEN" in err


def test_it_says_whether_a_worker_is_running(moodle: Moodle, check: Callable[[], Ran]) -> None:
    code, out, _ = check()
    assert code == 0
    assert "Worker:  none has been started yet. Start it: systemctl start dupdash-worker" in out
    then = timezone.now() - timedelta(hours=1)
    ClusterHeartbeat.objects.create(cluster=COPIES, token="", at=then)
    assert f"Worker:  none is running since {then:%Y-%m-%d %H:%M}" in check()[1]
    ClusterHeartbeat.objects.update(at=timezone.now())
    assert "Worker:  running" in check()[1]


def test_it_works_before_the_first_migrate(
    moodle: Moodle, check: Callable[[], Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_table() -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(worker_status, "current", no_table)
    code, out, _ = check()
    assert code == 0
    assert "Worker:  not known, because the database has no tables. Run migrate." in out

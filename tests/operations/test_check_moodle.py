"""Tests ``manage.py check_moodle``: it names the site, missing functions and capabilities, and what to do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import execute_from_command_line
from django.db import OperationalError
from django.utils import timezone

from dupdash.duplication.missing_capabilities import ACTIVITY_CAPABILITIES, CAPABILITIES, Capability
from dupdash.duplication.models import ClusterHeartbeat
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.queue import worker_status
from dupdash.duplication.queue.dispatch import COPIES
from dupdash.sandbox.accounts import LIMITED_TOKEN, MANAGER_TOKEN
from tests.duplication.support import Moodle, point_at

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


def test_command_names_the_site(moodle: Moodle, check: Callable[[], Ran]) -> None:
    code, out, err = check()
    assert (code, err) == (0, "")
    assert f"Site:    Sandbox University ({moodle.url})" in out
    assert "Version: Moodle 4.5.6" in out
    assert "Account: admin, a site administrator" in out
    assert f"Categories that the service account sees: {len(moodle.state.categories)}" in out
    assert out.rstrip().endswith("dupdash can work with this site.")


def test_missing_optional_function_names_what_is_lost(moodle: Moodle, check: Callable[[], Ran], settings: Any) -> None:
    settings.MOODLE_TOKEN = LIMITED_TOKEN
    code, out, _ = check()
    assert code == 0
    assert "Without core_course_delete_courses dupdash cannot delete partial courses" in out


def test_missing_required_functions_are_named(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.switches.withdrawn = frozenset({"core_course_duplicate_course", "core_course_get_contents"})
    code, out, err = check()
    assert code == 1
    assert "The token may not call: core_course_get_contents, core_course_duplicate_course." in err
    assert "External services" in err
    assert "can work" not in out


def test_invalid_token_gets_advice(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.switches.tokens_revoked = True
    code, _, err = check()
    assert code == 1
    assert "MOODLE_TOKEN" in err
    assert moodle.token not in err


def test_maintenance_is_reported(moodle: Moodle, check: Callable[[], Ran], settings: Any) -> None:
    settings.MOODLE_TOKEN = MANAGER_TOKEN
    moodle.switches.maintenance = True
    code, _, err = check()
    assert code == 1
    assert "Maintenance mode" in err


@pytest.mark.parametrize("fault", ["html", "empty"])
def test_unknown_site_asks_about_the_url(moodle: Moodle, check: Callable[[], Ran], fault: str) -> None:
    moodle.faults.set(fault, function="*")
    code, _, err = check()
    assert code == 1
    assert f"Is {moodle.url} the URL of the site?" in err


def test_unreachable_site_is_reported(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.faults.set("refuse", seconds=3600)
    code, _, err = check()
    assert code == 1
    assert "refused the connection" in err
    assert "Traceback" not in err


def test_missing_settings_are_named(settings: Any, check: Callable[[], Ran]) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    code, _, err = check()
    assert code == 1
    assert "MOODLE_URL and MOODLE_TOKEN" in err


def test_worker_status_is_shown(moodle: Moodle, check: Callable[[], Ran]) -> None:
    code, out, _ = check()
    assert code == 0
    assert "Worker:  none has been started yet. Start it: systemctl start dupdash-worker" in out
    then = timezone.now() - timedelta(hours=1)
    ClusterHeartbeat.objects.create(worker_group=COPIES, cluster=COPIES, token="", at=then)
    assert f"Worker:  none has been running since {then:%Y-%m-%d %H:%M}" in check()[1]
    ClusterHeartbeat.objects.update(at=timezone.now())
    assert "Worker:  running" in check()[1]


def test_command_works_before_the_first_migrate(
    moodle: Moodle, check: Callable[[], Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_table() -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(worker_status, "current", no_table)
    code, out, _ = check()
    assert code == 0
    assert "Worker:  not known, because the database cannot be read. Run migrate, or check the database." in out


# --- Capabilities ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capability", [one for one in CAPABILITIES if one.required], ids=lambda one: one.name)
def test_missing_capability_that_every_copy_needs_is_an_error(
    moodle: Moodle, check: Callable[[], Ran], capability: Capability
) -> None:
    moodle.switches.missing_capabilities = frozenset({capability.name})
    code, out, err = check()
    assert code == 1
    assert f"The account lacks the capability {capability.name}: {capability.loss}." in err
    assert "Define roles" in err
    assert "can work" not in out


def test_missing_capability_that_some_copies_need_is_a_warning(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.switches.missing_capabilities = frozenset({"moodle/course:delete"})
    code, out, _ = check()
    assert code == 0
    assert "The account lacks the capability moodle/course:delete: dupdash cannot delete partial courses" in out


@pytest.mark.parametrize("capability", ACTIVITY_CAPABILITIES, ids=lambda one: one.name)
def test_missing_capability_to_see_a_kind_of_activity_is_a_warning(
    moodle: Moodle, check: Callable[[], Ran], capability: Capability
) -> None:
    moodle.switches.missing_capabilities = frozenset({capability.name})
    code, out, _ = check()
    assert code == 0
    assert f"The account lacks the capability {capability.name}: dupdash misses activities in the source" in out


def test_capabilities_with_the_same_consequence_are_named_together(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.switches.missing_capabilities = frozenset({"mod/quiz:view", "mod/wiki:viewpage"})
    assert "The account lacks the capabilities mod/quiz:view, mod/wiki:viewpage: dupdash misses" in check()[1]


def test_capability_in_own_copies_only_is_missing(moodle: Moodle, check: Callable[[], Ran]) -> None:
    """A capability that the account has only in its own copies counts as missing."""
    with open_client() as client:
        first = client.search_courses("", perpage=1)[0]
    moodle.state.change(first.id, shortname="ZOOTOMY-1")
    moodle.state.add(fullname="Copy", shortname="ZOOTOMY-2", categoryid=first.category_id, origin="copy")
    moodle.switches.missing_capabilities = frozenset({"mod/quiz:view"})
    assert "The account lacks the capability mod/quiz:view: " in check()[1]


def test_account_without_categories_lacks_a_capability(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.answer_with("core_course_get_categories", [])
    code, _, err = check()
    assert code == 1
    assert "moodle/category:viewcourselist" in err


# --- Answers with one invalid part -----------------------------------------------------------------------------


def test_records_that_were_left_out_are_named(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.faults.set("odd_record", function="core_course_get_categories")
    code, out, _ = check()
    assert code == 0
    assert "Left out of an answer, because it could not be read: core_course_get_categories: item 0" in out
    assert f"Categories that the service account sees: {len(moodle.state.categories) - 1}" in out


def test_site_that_cannot_describe_itself_can_be_used(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.faults.set("invalid_response", function="core_webservice_get_site_info")
    code, out, _ = check()
    assert code == 0
    assert "The site cannot return its site info" in out
    assert "Driver:  synchronous" in out


def test_another_url_of_the_site_is_named(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.switches.siteurl = "https://courses.example.edu"
    code, out, _ = check()
    assert code == 0
    assert f"The site calls itself https://courses.example.edu, and MOODLE_URL is {moodle.url}." in out


def test_intermediary_is_named_with_the_title_of_its_page(moodle: Moodle, check: Callable[[], Ran]) -> None:
    moodle.faults.set("site_down", answer="blocked")
    code, _, err = check()
    assert code == 1
    assert err.startswith("CommandError: A proxy, a firewall or a web server")
    assert "“Just a moment…”" in err


def test_refused_account_gets_advice_and_moodles_reason(moodle: Moodle, check: Callable[[], Ran]) -> None:
    answer = {"exception": "webservice_access_exception", "errorcode": "accessexception", "message": "Access control"}
    cause = "Invalid token - token expired - check validuntil time for the token"
    moodle.answer_with("core_webservice_get_site_info", answer | {"debuginfo": cause})
    _, _, err = check()
    assert "(2) Manage tokens: the token is not past its “valid until” date" in err
    assert f"Moodle adds: {cause}" in err


def test_missing_plugin_names_its_advantages(moodle: Moodle, check: Callable[[], Ran]) -> None:
    _, out, _ = check()
    assert "not installed, or the token may call none of its functions. The Moodle plugin adds: exact progress" in out


def test_used_plugin_is_named(settings: Any, check: Callable[[], Ran]) -> None:
    with Moodle(speed=50, plugin=True) as site:
        point_at(settings, site)
        code, out, _ = check()
        assert code == 0
        assert "plugin" in out
        assert "its functions are offered: exact progress" in out
        site.switches.withdrawn = frozenset({"core_course_async_duplicate_course_cancel"})
        _, out, _ = check()
        assert "Some functions of the Moodle plugin are missing: core_course_async_duplicate_course_cancel." in out


@pytest.mark.parametrize(
    ("capability", "said"),
    [
        ("moodle/backup:configure", ""),
        ("moodle/backup:userinfo", "The account lacks the capability moodle/backup:userinfo: people cannot be copied."),
        (
            "moodle/course:update",
            "The account lacks the capability moodle/course:update: dupdash cannot hide the source of a copy.",
        ),
    ],
)
def test_capability_that_copies_without_the_plugin_need_is_no_error(
    settings: Any, check: Callable[[], Ran], capability: str, said: str
) -> None:
    with Moodle(speed=50, plugin=True) as site:
        point_at(settings, site)
        site.switches.missing_capabilities = frozenset({capability})
        code, out, err = check()
    assert (code, err) == (0, "")
    assert said in out
    assert (capability in out) == bool(said)

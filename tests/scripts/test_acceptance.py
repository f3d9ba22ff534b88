"""Tests scripts/acceptance: messages about an unusable site, and the cleanup after an interruption.

``.ci/run`` tests a complete run.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dupdash.sandbox.server import Sandbox
from scripts.lib.acceptance import settings
from scripts.lib.acceptance.moodle import MoodleClient
from scripts.lib.acceptance.preflight import check_site, view_capability
from scripts.lib.acceptance.scenarios import Namer, stages
from scripts.lib.acceptance.settings import Site
from scripts.lib.cli import UsageError

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 120
FULL = {"MOODLE_URL": "http://m", "MOODLE_TOKEN": "t", "ACCEPTANCE_SOURCES": "3, 4", "ACCEPTANCE_CATEGORY": "5"}


@pytest.fixture
def moodle() -> Iterator[Sandbox]:
    with Sandbox(speed=1000) as sandbox:
        yield sandbox


def site(moodle: Sandbox, **changes: object) -> Site:
    source = moodle.course("BIO101-2026S1")
    named: dict[str, object] = {"sources": (source.id,), "people_source": source.id, "category": source.categoryid}
    tokens = {"url": moodle.url, "token": moodle.token, "own_token": moodle.token}
    return Site(**tokens | named | changes)  # type: ignore[arg-type]


# Settings


def test_settings_are_read_from_the_environment() -> None:
    read = settings.parse([], FULL).site
    assert read == Site("http://m", "t", "t", (3, 4), 3, 5)


def test_options_win_over_the_environment() -> None:
    read = settings.parse(["--sources", "7", "--category", "8", "--people-source", "9"], FULL).site
    assert read == Site("http://m", "t", "t", (7,), 9, 8)


def test_short_form_without_a_moodle_uses_the_embedded_one() -> None:
    assert settings.parse(["--short"], {}).site is None


def test_one_concurrency_alone_is_run_on_request() -> None:
    chosen = settings.parse(["--concurrency", "8", "--copies", "3"], FULL)
    assert chosen.site is not None
    (stage,) = stages(chosen, chosen.site, Namer())
    assert (stage.concurrency, [len(batch) for batch in stage.batches]) == (8, [3, 24])


@pytest.mark.parametrize("missing", FULL)
@pytest.mark.parametrize("form", [[], ["--short"]])
def test_missing_setting_is_named(missing: str, form: list[str]) -> None:
    if form and missing == "MOODLE_URL":
        pytest.skip("the short form starts its own Moodle then")
    with pytest.raises(UsageError, match=f"^set {missing} "):
        settings.parse(form, {name: value for name, value in FULL.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCEPTANCE_SOURCES", "3,x"),
        ("ACCEPTANCE_SOURCES", "3,"),
        ("ACCEPTANCE_CATEGORY", "0"),
        ("MOODLE_URL", "m.edu"),
    ],
)
def test_malformed_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        settings.parse([], FULL | {name: value})


# Preflight


def test_usable_site_passes_the_preflight_checks(moodle: Sandbox) -> None:
    sources, not_seen = check_site(site(moodle))
    assert [source.shortname for source in sources] == ["BIO101-2026S1"]
    assert not_seen == []


@pytest.mark.parametrize(("kind", "capability"), [("quiz", "mod/quiz:view"), ("wiki", "mod/wiki:viewpage")])
def test_capability_that_shows_a_kind_of_activity_is_named(kind: str, capability: str) -> None:
    assert view_capability(kind) == capability


@pytest.mark.parametrize(
    "function", ["core_course_duplicate_course", "core_course_delete_courses", "core_course_get_contents"]
)
def test_function_that_the_token_lacks_is_named(moodle: Sandbox, function: str) -> None:
    moodle.moodle.switches.withdrawn = frozenset({function})
    with pytest.raises(UsageError, match=f"the service of MOODLE_TOKEN lacks {function}"):
        check_site(site(moodle))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token": "0" * 32}, "MOODLE_TOKEN is no token of this site"),
        ({"own_token": "0" * 32}, "ACCEPTANCE_TOKEN is no token of this site"),
        ({"sources": (987_654,)}, "there is no course 987654"),
        ({"people_source": 987_654}, "there is no course 987654"),
        ({"category": 987_654}, "there is no category 987654"),
        ({"url": "http://127.0.0.1:1"}, "is MOODLE_URL the address of a Moodle"),
    ],
)
def test_unusable_site_is_one_clear_message(moodle: Sandbox, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_site(site(moodle, **changes))


# The complete script


@pytest.mark.processes
def test_interrupted_run_removes_only_its_own_copies() -> None:
    with Sandbox(speed=2) as moodle:
        source = moodle.course("BIO101-2026S1")
        category = next(one.id for one in moodle.state.categories.values() if one.idnumber == "BIO-2027S1")
        client = MoodleClient(moodle.url, moodle.token)
        other = {"fullname": "Other", "shortname": "acceptance-other", "categoryid": category}
        client.call("core_course_create_courses", courses=[other])
        run = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "acceptance", "--short"],
            env={
                "PATH": os.environ["PATH"],
                "MOODLE_URL": moodle.url,
                "MOODLE_TOKEN": moodle.token,
                "ACCEPTANCE_SOURCES": str(source.id),
                "ACCEPTANCE_CATEGORY": str(category),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # The timeout ends the test in any case.
        watchdog = threading.Timer(TIMEOUT, run.kill)
        watchdog.start()
        try:
            moodle.wait_for_step("renamed", timeout=TIMEOUT)
            run.send_signal(signal.SIGINT)
            said, _ = run.communicate()
        finally:
            watchdog.cancel()
            run.kill()
        assert run.returncode == 130, said
        assert "waiting for" in said
        assert "PROBLEM: whole run: the run was interrupted" in said
        assert [course.shortname for course in client.courses_in(category)] == ["acceptance-other"]
        assert moodle.calls.started, "no copy was begun"

"""Tests the address that the site reports for itself: pages link to it, and it is compared with MOODLE_URL."""

import logging

import pytest

from dupdash.duplication import moodle_health
from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.moodle_clients import course_url, open_client
from tests.duplication.support import Moodle

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = "https://courses.example.edu/moodle"


def test_links_use_the_url_that_the_site_names(moodle: Moodle) -> None:
    assert course_url(7) == f"{moodle.url}/course/view.php?id=7"
    moodle.switches.siteurl = OTHER
    with open_client() as client:
        moodle_health.read_site(client)
    assert course_url(7) == f"{OTHER}/course/view.php?id=7"


@pytest.mark.parametrize("siteurl", ["javascript:alert(1)", "courses.example.edu", "https://x.example/?a=1"])
def test_invalid_url_is_not_linked(moodle: Moodle, siteurl: str) -> None:
    moodle.switches.siteurl = siteurl
    with open_client() as client:
        moodle_health.read_site(client)
    assert MoodleHealth.current().site_url == ""
    assert course_url(7) == f"{moodle.url}/course/view.php?id=7"


def test_worker_logs_another_url_when_it_starts(moodle: Moodle, caplog: pytest.LogCaptureFixture) -> None:
    moodle.switches.siteurl = "https://other.example.edu"
    caplog.set_level(logging.INFO, "dupdash.moodle")
    moodle_health.log_site_at_start()
    assert f"The site calls itself https://other.example.edu, and MOODLE_URL is {moodle.url}." in caplog.text
    assert "Links to courses begin with https://other.example.edu." in caplog.text


def test_warning_about_an_invalid_url_says_that_links_use_moodle_url() -> None:
    warning = moodle_health.url_difference("javascript:alert(1)", "https://moodle.example.edu")
    assert warning.endswith("Links to courses begin with MOODLE_URL, because the site’s own URL is not valid.")


def test_worker_starts_while_the_site_is_down(moodle: Moodle, caplog: pytest.LogCaptureFixture) -> None:
    moodle.faults.set("refuse", seconds=3600)
    moodle_health.log_site_at_start()
    assert "the Moodle site cannot be used: 127.0.0.1 refused the connection." in caplog.text

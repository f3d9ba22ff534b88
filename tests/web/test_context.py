"""Tests the navigation and the banner, which every page has."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dupdash.duplication.models import MoodleHealth
from tests.web.support import a_job, text


@pytest.fixture
def paused(db: None) -> None:
    MoodleHealth.objects.create(
        paused_at=timezone.now(),
        fault_message="Invalid token.",
        advice="Check MOODLE_TOKEN.",
        fault_code="invalidtoken",
    )


def test_banner_tells_administrators_what_to_do(as_administrator: Client, paused: None) -> None:
    page = text(as_administrator.get("/jobs/"))
    assert "Copying is paused: Invalid token." in page
    assert "Check MOODLE_TOKEN." in page


def test_banner_tells_others_that_no_request_is_lost(as_faculty: Client, as_help_desk: Client, paused: None) -> None:
    for client in (as_faculty, as_help_desk):
        page = text(client.get("/jobs/"))
        assert "Copying is paused" in page
        assert "MOODLE_TOKEN" not in page


def test_banner_is_on_every_page_during_an_outage(as_administrator: Client, as_faculty: Client, db: None) -> None:
    outage = "refused the connection."
    MoodleHealth.objects.create(paused_at=timezone.now(), is_outage=True, fault_message=outage, advice="Wait.")
    for page in ("/", "/jobs/", "/preferences/"):
        assert "Copying is paused: refused the connection." in text(as_administrator.get(page))
        assert "Moodle is not available at the moment" in text(as_faculty.get(page))
        assert outage not in text(as_faculty.get(page))


def test_no_banner_while_everything_works(as_administrator: Client) -> None:
    assert 'class="banner"' not in text(as_administrator.get("/jobs/"))


def test_navigation_has_only_pages_that_the_person_may_open(as_administrator: Client, as_help_desk: Client) -> None:
    assert 'href="/jobs/new/"' in text(as_administrator.get("/"))
    assert 'href="/jobs/new/"' not in text(as_help_desk.get("/"))


def test_navigation_marks_the_current_page(as_administrator: Client) -> None:
    assert '<a href="/jobs/" aria-current="page">' in text(as_administrator.get("/jobs/"))


def test_polled_part_computes_no_navigation(
    as_faculty: Client, faculty: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = a_job(requester=faculty)
    # Queries for session, person, groups, job, queue, worker, health, last event, and the rest of the page.
    with django_assert_max_num_queries(10):
        as_faculty.get(f"/jobs/{job.pk}/status/")


def test_page_has_no_inline_script_or_style(as_administrator: Client) -> None:
    for url in ("/", "/jobs/", "/jobs/new/", f"/jobs/{a_job().pk}/"):
        answer = as_administrator.get(url)
        page = answer.content.decode()
        assert " style=" not in page
        assert "<style" not in page
        assert "onclick=" not in page
        assert "hx-on" not in page
        assert "unsafe" not in answer["Content-Security-Policy"]


def test_less_frequent_pages_are_in_the_list_more(as_administrator: Client, as_faculty: Client) -> None:
    page = text(as_administrator.get("/presets/")).partition('aria-label="Main"')[2].partition("</nav>")[0]
    first, _, more = page.partition("More<")
    assert 'href="/approvals/"' in first
    for address in ("/presets/", "/tokens/", "/system/"):
        assert f'href="{address}"' in more
        assert f'href="{address}"' not in first
    assert "data-current" in first

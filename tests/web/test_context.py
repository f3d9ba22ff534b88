"""What every page carries: the way around, and the banner."""

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


def test_it_tells_administrators_what_to_do_while_paused(as_administrator: Client, paused: None) -> None:
    page = text(as_administrator.get("/jobs/"))
    assert "Copies are paused: Invalid token." in page
    assert "Check MOODLE_TOKEN." in page


def test_it_tells_everybody_else_that_copies_wait(as_faculty: Client, as_help_desk: Client, paused: None) -> None:
    for client in (as_faculty, as_help_desk):
        page = text(client.get("/jobs/"))
        assert "Copies are paused" in page
        assert "MOODLE_TOKEN" not in page


def test_everybody_is_told_on_every_page_that_the_site_is_down(
    as_administrator: Client, as_faculty: Client, db: None
) -> None:
    outage = "refused the connection."
    MoodleHealth.objects.create(paused_at=timezone.now(), is_outage=True, fault_message=outage, advice="Wait.")
    for page in ("/", "/jobs/", "/preferences/"):
        assert "Copies are paused: refused the connection." in text(as_administrator.get(page))
        assert "Moodle is not available at the moment" in text(as_faculty.get(page))
        assert outage not in text(as_faculty.get(page))


def test_it_has_no_banner_while_all_is_well(as_administrator: Client) -> None:
    assert 'class="banner"' not in text(as_administrator.get("/jobs/"))


def test_it_leads_only_to_pages_that_open(as_administrator: Client, as_help_desk: Client) -> None:
    assert 'href="/jobs/new/"' in text(as_administrator.get("/"))
    assert 'href="/jobs/new/"' not in text(as_help_desk.get("/"))


def test_it_marks_the_page_that_is_open(as_administrator: Client) -> None:
    assert '<a href="/jobs/" aria-current="page">' in text(as_administrator.get("/jobs/"))


def test_it_costs_a_polled_part_nothing(
    as_faculty: Client, faculty: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = a_job(requester=faculty)
    # Session, person, groups; job, queue, worker, health, last event; and what is needed for the rest of the page.
    with django_assert_max_num_queries(10):
        as_faculty.get(f"/jobs/{job.pk}/status/")


def test_it_has_no_inline_script_or_style(as_administrator: Client) -> None:
    for url in ("/", "/jobs/", "/jobs/new/", f"/jobs/{a_job().pk}/"):
        answer = as_administrator.get(url)
        page = answer.content.decode()
        assert " style=" not in page
        assert "<style" not in page
        assert "onclick=" not in page
        assert "hx-on" not in page
        assert "unsafe" not in answer["Content-Security-Policy"]

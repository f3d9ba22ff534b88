"""Tests the overview: its sections, figures and notices for each role."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.notifications import sender
from dupdash.notifications.models import Delivery, Digest, OutboxPosition
from dupdash.web.presentation.why_it_waits import Queue, why_it_waits
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def _sections(client: Client) -> dict[str, list[str]]:
    return {section.id: [row.shortname for row in section.rows] for section in client.get("/").context["sections"]}


def test_copies_are_sorted_into_sections(as_administrator: Client, faculty: User) -> None:
    now = timezone.now()
    a_running_job(shortname="RUNS")
    a_job(shortname="WAITS")
    a_job(State.AWAITING_APPROVAL, "ASKS", requester=faculty)
    a_job(State.UNRESOLVED, "LOST")
    a_job(State.SUCCEEDED, "DONE", finished_at=now)
    a_job(State.FAILED, "FAILED", finished_at=now)
    a_job(State.FAILED, "LONG-AGO", finished_at=now - timedelta(days=30))
    a_job(State.FAILED, "PARTIAL", finished_at=now - timedelta(days=30), course_id=9, proof="seen")
    retried = a_job(State.FAILED, "RETRIED", finished_at=now)
    a_job(State.SUCCEEDED, "RETRIED", retry_of=retried)
    found = _sections(as_administrator)
    assert set(found["attention"]) == {"ASKS", "LOST", "FAILED", "PARTIAL"}
    assert found["running"] == ["RUNS"]
    assert found["waiting"] == ["WAITS"]
    assert set(found["latest"]) == {"DONE", "RETRIED"}


def test_retried_job_with_a_partial_course_is_listed_once(as_administrator: Client) -> None:
    old = a_job(State.FAILED, "PARTIAL", finished_at=timezone.now(), course_id=9, proof="seen")
    a_job(State.SUCCEEDED, "PARTIAL", retry_of=a_job(State.FAILED, "PARTIAL", retry_of=old))
    assert _sections(as_administrator)["attention"] == ["PARTIAL"]


def test_unresolved_cancelled_copy_needs_attention(as_administrator: Client) -> None:
    now = timezone.now()
    job = a_job(State.UNRESOLVED, "LOST", sent_at=now, cancel_requested_at=now)
    page = as_administrator.get("/")
    attention = next(section for section in page.context["sections"] if section.id == "attention")
    assert [(row.note, row.urgent) for row in attention.rows] == [("Check in Moodle whether the copy was made.", True)]
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "Nothing proves that the copy was made, or that it was not." in page
    assert "dupdash deletes it, because it was cancelled." in page
    assert "when Moodle has finished it" not in page.partition('id="job-status"')[2].partition("</section>")[0]


def test_faculty_see_their_own_copies(as_faculty: Client, faculty: User, colleague: User) -> None:
    a_job(State.AWAITING_APPROVAL, "MINE", requester=faculty)
    a_running_job(shortname="THEIRS", requester=colleague)
    found = _sections(as_faculty)
    assert found == {"running": [], "waiting": ["MINE"]}
    assert "No copy is running." in text(as_faculty.get("/"))


def test_help_desk_sees_everything_except_approvals(as_help_desk: Client, faculty: User) -> None:
    a_job(State.AWAITING_APPROVAL, "ASKS", requester=faculty)
    a_job(State.UNRESOLVED, "LOST", requester=faculty)
    assert _sections(as_help_desk) == {"attention": ["LOST"], "running": [], "waiting": ["ASKS"]}


def test_section_says_how_many_more_there_are(as_administrator: Client) -> None:
    for number in range(13):
        a_job(shortname=f"N{number}")
    assert "and 3 more" in text(as_administrator.get("/"))


def test_unchanged_overview_answers_204(as_administrator: Client) -> None:
    a_job()
    found = re.search(r'hx-get="(/live/[^"]+)"', as_administrator.get("/").content.decode())
    assert found
    url = unescape(found.group(1))
    assert as_administrator.get(url).status_code == 204
    a_running_job(shortname="RUNS", source_id=1)
    answer = as_administrator.get(url)
    assert "SRC → RUNS" in text(answer)
    assert answer["Cache-Control"] == "no-store"


def _figures(client: Client) -> dict[str, int]:
    return {figure.label: figure.value for figure in client.get("/").context["figures"]}


def test_figures_count_the_day(as_administrator: Client, as_faculty: Client, faculty: User) -> None:
    now = timezone.now()
    a_running_job(shortname="RUNS", requester=faculty)
    a_job(shortname="WAITS", source_id=1)
    a_job(State.AWAITING_APPROVAL, "ASKS", requester=faculty)
    a_job(State.SUCCEEDED, "DONE", finished_at=now)
    a_job(State.FAILED, "FAILED", finished_at=now, created_at=now - timedelta(days=2), requester=faculty)
    a_job(State.SUCCEEDED, "LONG-AGO", finished_at=now - timedelta(days=2), created_at=now - timedelta(days=2))
    assert _figures(as_administrator) == {
        "Requested today": 4,
        "Succeeded today": 1,
        "Failed today": 1,
        "Running": 1,
        "Waiting": 1,
        "To approve": 1,
    }
    # Faculty see the figures of their own copies.
    assert _figures(as_faculty) == {
        "Requested today": 2,
        "Succeeded today": 0,
        "Failed today": 1,
        "Running": 1,
        "Waiting": 0,
        "Waiting for approval": 1,
    }
    assert 'href="/approvals/"' in text(as_administrator.get("/")).partition("<main")[2]


def test_each_figure_links_as_many_copies(as_administrator: Client) -> None:
    now = timezone.now()
    long_ago = now - timedelta(days=2)
    a_running_job(shortname="RUNS")
    a_job(State.CHECKING, "LOOKED-UP", source_id=1, sent_at=now, started_at=now)
    a_job(shortname="WAITS")
    a_job(State.SUCCEEDED, "DONE", finished_at=now, created_at=long_ago)
    a_job(State.FAILED, "FAILED", finished_at=now, created_at=long_ago)
    a_job(State.FAILED, "LONG-AGO", finished_at=long_ago, created_at=long_ago)
    figures = as_administrator.get("/").context["figures"]
    shown = {
        figure.label: len(as_administrator.get(figure.url).context["rows"])
        for figure in figures
        if figure.url != "/approvals/"
    }
    assert shown == {figure.label: figure.value for figure in figures if figure.label != "To approve"}
    assert shown["Running"] == 2


def test_overview_shows_the_moodle_site(as_administrator: Client, as_help_desk: Client, as_faculty: Client) -> None:
    MoodleHealth.objects.create(
        site_name="Sandbox University",
        site_url="https://moodle.example.edu",
        release="4.5.6",
        driver="asynchronous",
        last_response_at=timezone.now() - timedelta(hours=1),
    )
    for client in (as_administrator, as_help_desk):
        page = text(client.get("/"))
        for words in ("Sandbox University", "https://moodle.example.edu", "4.5.6", "asynchronous", "active"):
            assert words in page
    assert "4.5.6" not in text(as_faculty.get("/"))
    heard = a_running_job()
    site = as_administrator.get("/").context["site"]
    assert site.last_response_at == heard.last_response_at
    MoodleHealth.objects.update(paused_at=timezone.now(), fault_message="Invalid token.")
    assert "Paused since" in text(as_help_desk.get("/"))


def test_site_is_unknown_before_the_first_contact(as_administrator: Client) -> None:
    assert "unknown" in text(as_administrator.get("/"))


def test_waiting_copies_show_their_position_or_start(as_administrator: Client, settings: Settings) -> None:
    settings.MOODLE_CONCURRENCY = 2
    a_running_job(shortname="RUNS")
    a_running_job(shortname="RUNS-2", source_id=9)
    now = timezone.now()
    for number in range(3):
        a_job(shortname=f"N{number}", source_id=number, queued_at=now + timedelta(seconds=number))
    later = now + timedelta(days=1)
    a_job(shortname="LATER", not_before=later)
    page = text(as_administrator.get("/"))
    assert "2 other copies are being made. This one is next." in page
    assert "2 other copies are being made, and 1 more is ahead of this one." in page
    assert "2 other copies are being made, and 2 more are ahead of this one." in page
    waiting = next(section for section in as_administrator.get("/").context["sections"] if section.id == "waiting")
    assert [row.starts_at for row in waiting.rows] == [None, None, None, later]


@pytest.mark.parametrize(("slots", "others"), [(1, "Another copy is"), (2, "2 other copies are")])
def test_copy_far_back_in_the_queue_is_promised_no_moment(settings: Settings, slots: int, others: str) -> None:
    settings.MOODLE_CONCURRENCY = slots
    queue = Queue(paused=False, blocked_sources=frozenset(), slots_held=slots)
    assert why_it_waits(a_job(), queue) == f"{others} being made. This one starts later."


def test_each_role_has_its_own_first_step(as_administrator: Client, as_help_desk: Client, as_faculty: Client) -> None:
    for_help_desk = text(as_help_desk.get("/"))
    assert '<form class="card finder" method="get" action="/jobs/find/" role="search">' in for_help_desk
    assert "finder" not in text(as_administrator.get("/"))
    for_faculty = text(as_faculty.get("/"))
    assert "You have not requested a copy yet" in for_faculty
    assert "New copy" in for_faculty
    assert "<h1>Your copies</h1>" in for_faculty
    assert DuplicationJob.objects.count() == 0


def test_administrators_see_that_the_mail_server_is_down(as_administrator: Client, as_help_desk: Client) -> None:
    assert "mail-troubles" not in as_administrator.get("/").content.decode()
    seen = as_administrator.get("/").context["live_url"]
    OutboxPosition.current()
    OutboxPosition.objects.update(failing_since=timezone.now(), error="Connection refused <by> host")
    shown = as_administrator.get(seen)
    assert "The mail server has not been reachable since" in text(shown)
    assert "Connection refused &lt;by&gt; host" in shown.content.decode()
    assert "Check the mail server" in text(shown)
    assert "mail server" not in text(as_help_desk.get("/"))


def test_administrators_see_how_many_mails_failed(as_administrator: Client, faculty: User) -> None:
    now = timezone.now()
    for number in range(2):
        day = now.date() - timedelta(days=number)
        Digest.objects.create(recipient=faculty, day=day, since=now, until=now, delivery=Delivery.GIVEN_UP)
    shown = text(as_administrator.get("/"))
    assert "2 emails of the last week could not be delivered" in shown
    assert "Check the email addresses in people’s accounts" in shown
    Digest.objects.update(created_at=now - timedelta(days=8))
    assert "could not be delivered" not in text(as_administrator.get("/"))


def test_failed_mails_are_not_blamed_on_addresses(as_administrator: Client, faculty: User) -> None:
    now = timezone.now()
    ages = {"since": now, "until": now, "created_at": now - timedelta(days=4)}
    Digest.objects.create(recipient=faculty, day=now.date(), **ages)
    sender.give_up_old()
    shown = text(as_administrator.get("/"))
    assert "1 email of the last week could not be delivered" in shown
    assert "The reason: the mail server was not reachable for days, or no worker was running." in shown
    assert "Check the email addresses" not in shown
    # Some mails failed because of their address, and some because of the mail server.
    refused = {"delivery": Delivery.GIVEN_UP, "last_error": "SMTPRecipientsRefused: no such user"}
    Digest.objects.create(recipient=faculty, day=now.date() - timedelta(days=1), since=now, until=now, **refused)
    shown = text(as_administrator.get("/"))
    assert "2 emails of the last week could not be delivered" in shown
    assert "The reason for 1 of them: the mail server was not reachable for days, or no worker was running." in shown
    assert "Check the email addresses" in shown

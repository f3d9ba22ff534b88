"""Tests the daily digest: when it is sent, to whom, and what it contains."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail

from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.states import State
from dupdash.notifications.models import Channel, Delivery, Digest
from dupdash.notifications.topics import Topic, When
from tests.duplication.support import Clock, a_job
from tests.notifications.support import (
    choose,
    fail,
    lose,
    others,
    own,
    rows,
    succeed,
    sweep,
    teaches_from_now_on,
    to,
)

pytestmark = pytest.mark.django_db

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that starts in the evening, so that the next digest is due tomorrow."""
    with time_machine.travel(datetime(2027, 3, 1, 20, 0, tzinfo=UTC), tick=True) as traveller:
        yield Clock(traveller)


@pytest.fixture(autouse=True)
def _hour(settings: Any, clock: Clock, db: None) -> None:
    settings.DIGEST_HOUR = 7
    settings.TIME_ZONE = "UTC"
    mail.outbox = []


def quiet(administrator: User) -> None:
    """Switch off immediate mails, so that only the digest is sent."""
    choose(administrator, own=dict.fromkeys(Topic.values, "never"), others=dict.fromkeys(Topic.values, "never"))


def until_morning(clock: Clock) -> list[Any]:
    sweep()
    clock.forward(11 * HOUR + 60)
    return sweep()


def test_digest_summarizes_the_day_for_administrators(administrator: User, faculty: User, clock: Clock) -> None:
    quiet(administrator)
    choose(faculty, own=dict.fromkeys(Topic.values, "never"))
    sweep()
    succeed(a_job(shortname="GOOD", requester=faculty))
    fail(a_job(shortname="BAD", requester=faculty), "nopermissions")
    lose(a_job(shortname="LOST", requester=faculty))
    a_job(State.AWAITING_APPROVAL, "WAITS", requester=faculty)
    (summary,) = until_morning(clock)
    assert summary.to == [administrator.email]
    assert summary.subject == (
        "[dupdash] Summary of 2 March: 1 failed, 1 unresolved, 1 waiting for approval, 1 complete"
    )
    for line in (
        "  4 requested",
        "  1 complete",
        "  1 failed",
        "FAILED: 1",
        "UNRESOLVED: 1 - please check in Moodle whether the copy was made",
        "WAITING FOR APPROVAL: 1",
    ):
        assert line in summary.body, summary.body
    assert "Copy called BAD (BAD), requested by Fay Faculty" in summary.body
    assert "dupdash’s Moodle account may not copy this course" in summary.body
    assert "YOUR NOTIFICATIONS" not in summary.body
    assert "Copies from 1 Mar, 07:00 to 2 Mar, 07:00 UTC" in summary.body


def test_digest_is_sent_once_a_day(administrator: User, clock: Clock) -> None:
    quiet(administrator)
    sweep()
    a_job(State.AWAITING_APPROVAL)
    assert len(until_morning(clock)) == 1
    for _ in range(22):
        clock.forward(HOUR)
        assert sweep() == []
    clock.forward(2 * HOUR)
    assert len(sweep()) == 1


def test_digest_is_not_sent_before_its_hour(administrator: User, clock: Clock) -> None:
    quiet(administrator)
    sweep()
    a_job(State.AWAITING_APPROVAL)
    clock.forward(10.9 * HOUR)
    assert sweep() == []


def test_late_digest_covers_everything_since_the_last_one(administrator: User, clock: Clock) -> None:
    quiet(administrator)
    sweep()
    fail(a_job(shortname="FIRST"))
    # No worker runs until the afternoon.
    clock.forward(19 * HOUR)
    fail(a_job(shortname="SECOND"))
    (first,) = sweep()
    assert "FIRST" in first.body
    assert "SECOND" not in first.body
    clock.forward(DAY)
    (second,) = sweep()
    assert "SECOND" in second.body
    assert "(FIRST)" not in second.body


def test_nothing_is_sent_on_an_empty_day(administrator: User, clock: Clock) -> None:
    assert until_morning(clock) == []
    assert set(Digest.objects.values_list("delivery", flat=True)) == {Delivery.SKIPPED}


def test_digest_goes_to_those_who_chose_it(administrator: User, help_desk: User, faculty: User, clock: Clock) -> None:
    sweep()
    a_job(State.AWAITING_APPROVAL, "WAITS")
    succeed(a_job(shortname="GOOD"))
    choose(administrator, figures=False, others={Topic.APPROVAL: "never"})
    choose(help_desk, figures=True)
    choose(faculty, figures=True)
    mails = until_morning(clock)
    assert to(mails) == [help_desk.email]
    # The help desk cannot decide requests.
    assert "WAITING FOR APPROVAL" not in mails[0].body


def test_digest_contains_topics_chosen_for_once_a_day(faculty: User, clock: Clock) -> None:
    sweep()
    choose(faculty, **own(Topic.SUCCEEDED, When.DAILY))
    succeed(a_job(shortname="ONE", requester=faculty))
    succeed(a_job(shortname="TWO", requester=faculty))
    (summary,) = until_morning(clock)
    assert summary.to == [faculty.email]
    assert "YOUR NOTIFICATIONS" in summary.body
    assert "(ONE)" in summary.body
    assert "(TWO)" in summary.body
    assert "requested\n" not in summary.body
    assert {row.delivery for row in rows(Channel.DAILY)} == {Delivery.SENT}
    clock.forward(DAY)
    assert sweep() == []


def test_digest_omits_copies_that_the_recipient_may_no_longer_see(help_desk: User, faculty: User, clock: Clock) -> None:
    choose(help_desk, **others(Topic.FAILED, When.DAILY), **own(Topic.FAILED, When.DAILY))
    choose(faculty, **own(Topic.FAILED, When.NEVER))
    fail(a_job(fullname="Merger, confidential", requester=faculty))
    fail(a_job(shortname="OWN", requester=help_desk))
    sweep()
    teaches_from_now_on(help_desk)
    (summary,) = until_morning(clock)
    assert "OWN" in summary.body
    assert "confidential" not in summary.body


def test_recipient_without_visible_copies_gets_no_digest(help_desk: User, faculty: User, clock: Clock) -> None:
    choose(help_desk, **others(Topic.FAILED, When.DAILY))
    choose(faculty, **own(Topic.FAILED, When.NEVER))
    fail(a_job(requester=faculty))
    sweep()
    teaches_from_now_on(help_desk)
    assert until_morning(clock) == []


def test_digest_names_each_copy_once(administrator: User, clock: Clock) -> None:
    sweep()
    choose(administrator, **others(Topic.FAILED, When.DAILY))
    fail(a_job(shortname="BAD"))
    (summary,) = until_morning(clock)
    assert summary.body.count("(BAD)") == 1


def test_event_after_the_hour_is_in_the_next_digest(faculty: User, clock: Clock) -> None:
    choose(faculty, **own(Topic.SUCCEEDED, When.DAILY))
    assert until_morning(clock) == []
    clock.forward(HOUR)
    succeed(a_job(requester=faculty))
    assert sweep() == []
    clock.forward(22 * HOUR)
    assert sweep() == []
    clock.forward(2 * HOUR)
    assert len(sweep()) == 1


def test_digest_hour_is_in_the_recipients_time_zone(administrator: User, clock: Clock) -> None:
    quiet(administrator)
    choose(administrator, time_zone="Asia/Tokyo")
    sweep()
    a_job(State.AWAITING_APPROVAL)
    clock.forward(1.9 * HOUR)
    assert sweep() == []
    clock.forward(0.2 * HOUR)
    (summary,) = sweep()
    assert "to 2 Mar, 07:00 JST" in summary.body
    # After a change of the time zone no second digest is sent.
    choose(administrator, time_zone="America/New_York")
    clock.forward(14 * HOUR)
    assert sweep() == []


def test_digest_names_a_few_copies_and_counts_the_rest(administrator: User, clock: Clock) -> None:
    quiet(administrator)
    sweep()
    for number in range(33):
        fail(a_job(shortname=f"N-{number}"))
    (summary,) = until_morning(clock)
    assert "FAILED: 33" in summary.body
    assert "… and 3 more" in summary.body


def test_digest_reports_paused_copying_and_undelivered_mail(administrator: User, faculty: User, clock: Clock) -> None:
    quiet(administrator)
    MoodleHealth.current()
    MoodleHealth.objects.update(paused_at=datetime.now(UTC), fault_message="Invalid token\nHa: ha")
    sweep()
    succeed(a_job(requester=faculty))
    sweep()
    row = rows()[0]
    row.delivery = Delivery.GIVEN_UP
    row.save()
    (summary,) = until_morning(clock)
    assert "COPYING IS PAUSED\n  Invalid token Ha: ha" in summary.body
    assert "1 email could not be sent in the last week." in summary.body


def test_failed_digest_is_sent_again(administrator: User, clock: Clock, post_office: Any) -> None:
    quiet(administrator)
    sweep()
    a_job(State.AWAITING_APPROVAL)
    post_office.refuses = {administrator.email: OSError("gone")}
    assert until_morning(clock) == []
    post_office.reset()
    clock.forward(timedelta(minutes=2).total_seconds())
    assert len(sweep()) == 1

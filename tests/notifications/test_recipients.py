"""Tests who gets a mail about which event."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from dupdash.accounts.access import Role
from dupdash.duplication import approval_actions, jobs
from dupdash.duplication.models import JobEvent
from dupdash.duplication.states import State
from dupdash.notifications.models import Channel
from dupdash.notifications.outbox import COMMITTED_AFTER
from dupdash.notifications.topics import Topic, When
from tests.conftest import make_person
from tests.duplication.support import Clock, Moodle, a_job, evidence_json, run_worker, submit
from tests.notifications.support import choose, fail, lose, others, own, rows, subjects, succeed, sweep, to

pytestmark = pytest.mark.django_db


def test_approval_request_goes_to_all_administrators(
    administrator: User, faculty: User, help_desk: User, sent_mail: Any
) -> None:
    second = make_person("second", Role.ADMINISTRATOR)
    a_job(State.AWAITING_APPROVAL, "BIO-27", requester=faculty, note="Please\nApproved by: the dean")
    mails = sweep()
    assert to(mails) == [administrator.email, second.email]
    assert set(subjects(mails)) == {"[dupdash] Approval needed: BIO-27"}
    assert "> Please\n> Approved by: the dean" in mails[0].body


def test_confirmation_goes_to_those_who_chose_it(administrator: User, faculty: User, sent_mail: Any) -> None:
    choose(faculty, **own(Topic.REQUESTED, When.NOW))
    a_job(State.AWAITING_APPROVAL, "BIO-27", requester=faculty)
    mails = sweep()
    assert sorted(to(mails)) == [administrator.email, faculty.email]
    confirmation = next(message for message in mails if message.to == [faculty.email])
    assert confirmation.subject == "[dupdash] Requested: BIO-27"
    assert "A course administrator must approve it first." in confirmation.body


def test_confirmation_names_the_person_who_retried_the_copy(
    administrator: User, faculty: User, sent_mail: Any, moodle: Moodle, client_of: Any
) -> None:
    choose(faculty, **own(Topic.REQUESTED, When.NOW))
    job = submit(actor=faculty, shortname="BIO-27")
    jobs.cancel(job, actor=faculty)
    sweep()
    job.refresh_from_db()
    new = jobs.retry(job, actor=administrator, client=client_of)
    body = next(message for message in sweep() if str(new.pk) in message.body).body
    assert "Ada Admin requested your copy again: " in body


def test_approval_is_reported_to_the_requester_only(administrator: User, faculty: User, sent_mail: Any) -> None:
    job = a_job(State.AWAITING_APPROVAL, "BIO-27", requester=faculty)
    sweep()
    approval_actions.approve(job, actor=administrator)
    mails = sweep()
    assert to(mails) == [faculty.email]
    assert subjects(mails) == ["[dupdash] Approved: BIO-27"]
    assert "Ada Admin approved your copy" in mails[0].body


def test_rejection_mail_has_the_reason(administrator: User, faculty: User, sent_mail: Any) -> None:
    job = a_job(State.AWAITING_APPROVAL, "BIO-27", requester=faculty)
    sweep()
    approval_actions.reject(job, reason="Use the template,\nplease.", actor=administrator)
    mails = sweep()
    assert to(mails) == [faculty.email]
    assert mails[0].subject == "[dupdash] Refused: BIO-27"
    assert "> Use the template,\n> please." in mails[0].body


def test_success_mail_links_the_course(administrator: User, faculty: User, sent_mail: Any, settings: Any) -> None:
    settings.MOODLE_URL = "https://moodle.example.edu"
    job = a_job(requester=faculty, shortname="BIO-27")
    succeed(job, 77)
    mails = sweep()
    assert to(mails) == [faculty.email]
    assert mails[0].subject == "[dupdash] Complete: BIO-27"
    assert "https://moodle.example.edu/course/view.php?id=77" in mails[0].body
    assert f"https://copies.example.edu/jobs/{job.pk}/" in mails[0].body


def test_failure_is_always_reported(administrator: User, faculty: User, help_desk: User, sent_mail: Any) -> None:
    job = a_job(requester=faculty, shortname="BIO-27")
    fail(job, "nopermissions", "error/nopermissions")
    mails = sweep()
    assert sorted(to(mails)) == sorted([administrator.email, faculty.email])
    theirs = next(message for message in mails if message.to == [faculty.email])
    ours = next(message for message in mails if message.to == [administrator.email])
    assert theirs.subject == "[dupdash] Failed: BIO-27"
    for words in ("What happened: dupdash’s Moodle account may not copy", "What it means:", "What to do:"):
        assert words in theirs.body
    assert "Moodle’s error message" in ours.body
    assert "Moodle’s error message" not in theirs.body


def test_failure_mail_names_the_partial_course(faculty: User, sent_mail: Any) -> None:
    job = a_job(requester=faculty, shortname="BIO-27")
    last = {"id": 55, "fullname": "Biology copy 1", "shortname": "BIO_1"}
    fail(job, "partial_course", course_id=55, proof="seen", evidence=evidence_json(last, own=55))
    assert "left in Moodle: course 55, “Biology copy 1”; students can see it." in sweep()[0].body


def test_unresolved_job_is_reported(administrator: User, faculty: User, sent_mail: Any) -> None:
    lose(a_job(requester=faculty, shortname="BIO-27"))
    mails = sweep()
    assert sorted(to(mails)) == sorted([administrator.email, faculty.email])
    assert set(subjects(mails)) == {"[dupdash] Unresolved: BIO-27"}
    assert "> Looked 9 times: no proof." in mails[0].body


def test_requester_gets_mail_if_somebody_else_cancels(administrator: User, faculty: User, sent_mail: Any) -> None:
    jobs.cancel(a_job(requester=faculty, shortname="MINE"), actor=faculty)
    assert sweep() == []
    jobs.cancel(a_job(requester=faculty, shortname="THEIRS"), actor=administrator)
    mails = sweep()
    assert to(mails) == [faculty.email]
    assert "was cancelled by Ada Admin" in mails[0].body


def test_administrator_gets_one_mail_about_their_own_failed_copy(administrator: User, sent_mail: Any) -> None:
    fail(a_job(requester=administrator))
    assert to(sweep()) == [administrator.email]


def test_administrators_get_no_mail_about_their_own_successes(administrator: User, sent_mail: Any) -> None:
    succeed(a_job(requester=administrator))
    assert sweep() == []


def test_help_desk_gets_no_mail_by_default(help_desk: User, sent_mail: Any, clock: Clock) -> None:
    fail(a_job(shortname="ONE"))
    assert sweep() == []
    clock.forward(COMMITTED_AFTER.total_seconds() + 1)
    assert sweep() == []
    choose(help_desk, **others(Topic.FAILED, When.NOW))
    fail(a_job(shortname="TWO"))
    assert to(sweep()) == [help_desk.email]


def test_faculty_get_no_mail_about_copies_of_others(faculty: User, colleague: User, sent_mail: Any) -> None:
    choose(colleague, others=dict.fromkeys(Topic.values, When.NOW))
    fail(a_job(requester=faculty))
    assert to(sweep()) == [faculty.email]


def test_help_desk_gets_no_approval_requests(help_desk: User, sent_mail: Any) -> None:
    choose(help_desk, **others(Topic.APPROVAL, When.NOW))
    a_job(State.AWAITING_APPROVAL)
    assert sweep() == []
    assert rows(Channel.PAGE) == []


@pytest.mark.parametrize("when", [When.NEVER, When.DAILY])
def test_chosen_topics_are_honoured(faculty: User, sent_mail: Any, when: When) -> None:
    choose(faculty, **own(Topic.FAILED, when))
    fail(a_job(requester=faculty))
    assert sweep() == []
    assert len(rows(Channel.DAILY)) == (1 if when == When.DAILY else 0)


def test_no_mail_to_people_without_address_or_inactive(faculty: User, colleague: User, sent_mail: Any) -> None:
    User.objects.filter(pk=faculty.pk).update(email=" ")
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    fail(a_job(requester=faculty, shortname="ONE"))
    fail(a_job(requester=colleague, shortname="TWO"))
    assert sweep() == []
    assert rows() == []


def test_no_mail_to_people_deactivated_before_sending(faculty: User, sent_mail: Any, post_office: Any) -> None:
    post_office.unreachable = OSError("refused")
    fail(a_job(requester=faculty))
    sweep()
    User.objects.filter(pk=faculty.pk).update(is_active=False)
    post_office.unreachable = None
    assert sweep() == []


def test_no_approval_mail_after_the_decision(
    administrator: User, faculty: User, sent_mail: Any, settings: Any, post_office: Any
) -> None:
    settings.MAIL_RETRY_FIRST = 0.0
    post_office.unreachable = OSError("refused")
    job = a_job(State.AWAITING_APPROVAL, requester=faculty)
    sweep()
    approval_actions.approve(job, actor=administrator)
    post_office.unreachable = None
    assert subjects(sweep()) == [f"[dupdash] Approved: {job.shortname}"]


def test_copies_of_the_command_line_are_reported_to_watchers(administrator: User, sent_mail: Any) -> None:
    fail(a_job(requester=None))
    mails = sweep()
    assert to(mails) == [administrator.email]
    assert "Requested by: the command line" in mails[0].body


def test_every_event_that_ends_a_job_is_reported(faculty: User, sent_mail: Any) -> None:
    """Every event that ends a job is reported, even one of an unknown kind, because its new state counts."""
    job = a_job(requester=faculty)
    JobEvent.objects.create(job=job, kind="brand_new", from_state="running", to_state="failed", reason="Somehow.")
    assert subjects(sweep()) == ["[dupdash] Failed: NEW-1"]


@pytest.mark.django_db(transaction=True)
def test_real_copy_sends_the_expected_mails(moodle: Moodle, administrator: User, faculty: User, sent_mail: Any) -> None:
    job = submit("AT&T", "AT-27", actor=faculty)
    assert to(sweep()) == [administrator.email]
    approval_actions.approve(job, actor=administrator)
    run_worker(job)
    assert job.state == State.SUCCEEDED
    mails = sweep()
    assert subjects(mails) == ["[dupdash] Approved: AT-27", "[dupdash] Complete: AT-27"]
    assert set(to(mails)) == {faculty.email}

"""Tests retrying and cancelling several copies at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from dupdash.web.job_list import bulk_changes
from tests.web.support import BIO101, BIOLOGY_2027, a_job, a_running_job, text

pytestmark = pytest.mark.django_db

BULK = "/jobs/bulk/"


@pytest.fixture(autouse=True)
def _paused(db: None) -> None:
    """Pause dispatch, so that no job is dispatched during these tests."""
    MoodleHealth.objects.create(paused_at=timezone.now())


def failed(shortname: str, **more: Any) -> DuplicationJob:
    return a_job(State.FAILED, shortname, source_id=BIO101, category_id=BIOLOGY_2027, **more)


def bulk(client: Client, action: str, *chosen: DuplicationJob) -> Any:
    return client.post(BULK, {"action": action, "jobs": " ".join(job.pk for job in chosen)}, follow=True)


def test_bulk_retry_is_confirmed_with_a_count(as_administrator: Client) -> None:
    first, second, done = failed("F1"), failed("F2"), a_job(State.SUCCEEDED, "S1")
    failed("F3")
    answer = as_administrator.get(BULK, {"action": "retry", "job": [first.pk, second.pk, done.pk]})
    page = text(answer)
    assert "Try 2 copies again?" in page
    assert "SRC → F1" in page
    assert "SRC → F2" in page
    assert "F3" not in page
    assert "These cannot be tried again and stay as they are:" in page
    assert "<li>1 succeeded</li>" in page
    assert set(answer.context["ids"].split()) == {first.pk, second.pk}
    assert DuplicationJob.objects.count() == 4


def test_jobs_that_cannot_be_changed_do_not_hide_others(
    as_administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_changes, "EXAMINED_MOST", 2)
    wanted = failed("WANTED", created_at=timezone.now() - timedelta(days=1))
    for number in range(3):
        DuplicationJob.objects.filter(pk=failed(f"F{number}").pk).update(is_retried=True)
    a_job(State.SUCCEEDED, "S1")
    answer = as_administrator.get(BULK, {"action": "retry", "all": "1", "attempts": "all"})
    assert answer.context["ids"] == wanted.pk
    assert not answer.context["choice"].more
    # Not all were read, so no number is exact.
    assert sum(words.split()[1:3] == ["or", "more"] for words in answer.context["choice"].left_alone) >= 1
    answer = as_administrator.get(BULK, {"action": "cancel", "all": "1", "attempts": "all"})
    assert "Nothing to cancel" in text(answer)
    assert "Repeat this for the others" not in text(answer)


def test_selected_job_that_left_the_filtered_state_is_named(as_administrator: Client) -> None:
    kept, done = failed("F1"), a_job(State.SUCCEEDED, "S1")
    answer = as_administrator.get(BULK, {"action": "retry", "state": "failed", "job": [kept.pk, done.pk]})
    assert set(answer.context["ids"].split()) == {kept.pk}
    assert "<li>1 succeeded</li>" in text(answer)


def test_all_matches_are_taken_from_every_page(as_administrator: Client, faculty: User) -> None:
    for number in range(30):
        failed(f"F{number}", requester=faculty)
    failed("OTHER")
    answer = as_administrator.get(BULK, {"action": "retry", "all": "1", "person": faculty.pk, "job": "\0nonsense"})
    page = text(answer)
    assert "Try 30 copies again?" in page
    assert "OTHER" not in page
    # The link back leads to the search results.
    assert f'href="/jobs/?person={faculty.pk}"' in page


def test_only_the_first_jobs_are_taken_at_once(as_administrator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_changes, "CHANGES_MOST", 3)
    jobs = [a_job(shortname=f"Q{number}") for number in range(5)]
    answer = as_administrator.get(BULK, {"action": "cancel", "all": "1"})
    assert "You selected more: only 3 can be changed at once. Repeat this for the others afterwards." in text(answer)
    bulk(as_administrator, "cancel", *jobs)
    assert DuplicationJob.objects.filter(state=State.CANCELLED).count() == 3


def test_each_job_is_retried_and_refusals_are_listed(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    good, taken, moved = failed("NEW-1", requester=faculty), failed("BIO101-2025S1"), failed("NEW-2")
    DuplicationJob.objects.filter(pk=moved.pk).update(state=State.SUCCEEDED)
    answer = bulk(as_administrator, "retry", good, taken, moved)
    page = text(answer)
    assert answer.redirect_chain == [("/jobs/bulk/result/", 303)]
    assert "1 copy will be tried again" in page
    assert "2 copies cannot be tried again" in page
    assert "already has this short name" in page
    assert "Only a job that failed or was cancelled can be tried again." in page
    new = DuplicationJob.objects.get(retry_of=good)
    assert (new.requester, new.state, new.shortname) == (faculty, State.QUEUED, "NEW-1")
    event = new.events.get()
    assert (event.kind, event.actor.username) == ("submitted", "ada")
    assert DuplicationJob.objects.count() == 4


def test_refusal_names_the_job_that_holds_the_short_name(
    as_administrator: Client, faculty: User, colleague: User, sandbox: Sandbox
) -> None:
    old, other = failed("NEW-1", requester=faculty), a_job(shortname="NEW-1", fullname="<i>One", requester=colleague)
    page = text(bulk(as_administrator, "retry", old))
    link = f'<a href="/jobs/{other.pk}/">“&lt;i&gt;One”</a>'
    assert f"unfinished copy already has this short name. The copy is {link}, requested by Nadia Bakshi." in page
    assert link in text(as_administrator.get("/jobs/bulk/result/"))


def test_refusal_does_not_reveal_a_foreign_job(
    as_faculty: Client, faculty: User, colleague: User, sandbox: Sandbox
) -> None:
    old, other = failed("NEW-1", requester=faculty), a_job(shortname="NEW-1", requester=colleague)
    page = text(bulk(as_faculty, "retry", old))
    assert "Another unfinished copy already has this short name." in page
    assert other.pk not in page
    assert "Nadia" not in page


def test_reloading_the_result_changes_nothing(as_administrator: Client, sandbox: Sandbox) -> None:
    bulk(as_administrator, "retry", failed("NEW-1"))
    page = text(as_administrator.get("/jobs/bulk/result/"))
    assert "1 copy will be tried again" in page
    assert DuplicationJob.objects.count() == 2


def test_cancelling_depends_on_the_state_of_each_job(as_administrator: Client) -> None:
    queued, waits = a_job(shortname="Q1"), a_job(State.AWAITING_APPROVAL, "A1")
    runs = a_job(State.RUNNING, "R1", sent_at=timezone.now(), started_at=timezone.now())
    asked = as_administrator.get(BULK, {"action": "cancel", "all": "1"})
    assert "Cancel 3 copies?" in text(asked)
    page = text(bulk(as_administrator, "cancel", queued, waits, runs))
    assert "3 copies cancelled" in page
    for job in (queued, waits, runs):
        job.refresh_from_db()
    assert (queued.state, waits.state, runs.state) == (State.CANCELLED, State.CANCELLED, State.RUNNING)
    assert runs.cancel_requested_at is not None
    assert runs.events.last().kind == "cancel_requested"  # type: ignore[union-attr]
    asked = as_administrator.get(BULK, {"action": "cancel", "all": "1"})
    assert "Nothing to cancel" in text(asked)
    assert "1 cancelled already" in text(asked)


def test_confirmation_says_what_happens_to_copies_that_have_started(as_administrator: Client) -> None:
    def asked(*jobs: DuplicationJob) -> str:
        return text(as_administrator.get(BULK, {"action": "cancel", "job": [job.pk for job in jobs]}))

    queued = a_job(shortname="Q1")
    stopped = a_running_job(shortname="S1", source_id=901, driver="plugin")
    unstoppable = a_running_job(shortname="U1", source_id=902, driver="asynchronous")
    page = asked(queued)
    assert "Copies that have not started will not be made." in page
    assert "Moodle" not in page.partition("will not be made.")[2].partition("</p>")[0]
    page = asked(stopped)
    assert "Moodle stops 1 copy and deletes the new course." in page
    assert "cannot stop" not in page
    assert "have not started" not in page
    page = asked(queued, stopped, unstoppable)
    assert "Moodle stops 1 copy and deletes the new course. dupdash deletes 1 copy when Moodle has finished it." in page
    page = asked(unstoppable, a_running_job(shortname="U2", source_id=903))
    assert "dupdash deletes 2 copies when Moodle has finished them." in page
    assert "Moodle stops" not in page


def test_faculty_cannot_change_foreign_jobs(as_faculty: Client, colleague: User, sandbox: Sandbox) -> None:
    theirs = failed("THEIRS", requester=colleague)
    queued = a_job(shortname="Q", requester=colleague)
    answer = as_faculty.get(BULK, {"action": "retry", "job": theirs.pk}, follow=True)
    assert answer.redirect_chain[0][1] == 303
    assert "No copy was selected." in text(answer)
    assert "THEIRS" not in text(answer)
    page = text(bulk(as_faculty, "retry", theirs))
    assert "0 copies will be tried again" in page
    assert "THEIRS" not in page
    bulk(as_faculty, "cancel", queued)
    queued.refresh_from_db()
    assert queued.state == State.QUEUED
    assert DuplicationJob.objects.count() == 2


def test_help_desk_retries_only_if_the_policy_allows_it(as_help_desk: Client, settings: Any, sandbox: Sandbox) -> None:
    job, queued = failed("NEW-1"), a_job(shortname="Q1")
    for action in ("retry", "cancel"):
        assert as_help_desk.get(BULK, {"action": action, "all": "1"})["Location"] == "/jobs/"
        bulk(as_help_desk, action, job, queued)
    assert DuplicationJob.objects.count() == 2
    settings.HELP_DESK_MAY_RETRY = True
    bulk(as_help_desk, "cancel", queued)
    queued.refresh_from_db()
    assert queued.state == State.QUEUED
    assert "1 copy will be tried again" in text(bulk(as_help_desk, "retry", job))


def test_faculty_in_the_help_desk_cancel_only_their_own(
    as_faculty: Client, faculty: User, help_desk: User, colleague: User
) -> None:
    faculty.groups.add(*help_desk.groups.all())
    a_job(shortname="MINE", requester=faculty)
    a_job(shortname="THEIRS", requester=colleague)
    page = text(as_faculty.get(BULK, {"action": "cancel", "all": "1"}))
    assert "Cancel 1 copy?" in page
    assert "<li>1 that you may not change</li>" in page


def test_retrying_stops_when_moodle_does_not_answer(as_administrator: Client, sandbox: Sandbox) -> None:
    jobs = [failed(f"NEW-{number}") for number in range(3)]
    sandbox.stop()
    page = text(bulk(as_administrator, "retry", *jobs))
    assert "0 copies will be tried again" in page
    assert "3 copies were not processed." in page
    assert DuplicationJob.objects.count() == 3


def test_retrying_stops_when_time_runs_out(
    as_administrator: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_changes, "CHANGING_LONGEST", -1.0)
    page = text(bulk(as_administrator, "retry", failed("NEW-1")))
    assert "1 copy was not processed." in page
    assert "Select these copies again." in page


def test_selecting_nothing_leads_back_with_advice(as_administrator: Client) -> None:
    a_job(shortname="Q1")
    answer = as_administrator.get(BULK, {"action": "retry", "q": "Q1"}, follow=True)
    assert answer.redirect_chain == [("/jobs/?q=Q1", 303)]
    assert "Select copies first" in text(answer)


@pytest.mark.parametrize("action", ["", "approve", "delete"])
def test_unknown_actions_change_nothing(as_administrator: Client, action: str) -> None:
    job = a_job(State.AWAITING_APPROVAL)
    for method in (as_administrator.get, as_administrator.post):
        assert method(BULK, {"action": action, "all": "1", "job": job.pk, "jobs": job.pk}).status_code == 303
    job.refresh_from_db()
    assert job.state == State.AWAITING_APPROVAL


def test_result_page_without_a_result_leads_to_the_list(as_administrator: Client) -> None:
    assert as_administrator.get("/jobs/bulk/result/")["Location"] == "/jobs/"


def test_names_in_refusals_are_escaped(as_administrator: Client) -> None:
    job = a_job(State.SUCCEEDED, "<b>X", fullname="<script>alert(1)</script>")
    page = bulk(as_administrator, "cancel", job).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; (&lt;b&gt;X)" in page


def test_bulk_action_without_csrf_token_is_refused(administrator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    job = a_job()
    assert client.post(BULK, {"action": "cancel", "jobs": job.pk}).status_code == 403
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_retried_jobs_are_left_alone(as_administrator: Client) -> None:
    old = a_job(State.FAILED)
    a_job(State.FAILED, retry_of=old)
    page = text(as_administrator.get(BULK, {"action": "retry", "job": [old.pk]}))
    assert "1 already tried again" in page

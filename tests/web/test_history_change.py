"""Trying again and cancelling several copies at once."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from dupdash.web.history import bulk_actions
from tests.web.support import BIO101, BIOLOGY_2027, a_job, text

pytestmark = pytest.mark.django_db

CHANGE = "/history/change/"


@pytest.fixture(autouse=True)
def _paused(db: None) -> None:
    """No job is given to workers meanwhile."""
    MoodleHealth.objects.create(paused_at=timezone.now())


def failed(shortname: str, **more: Any) -> DuplicationJob:
    return a_job(State.FAILED, shortname, source_id=BIO101, category_id=BIOLOGY_2027, **more)


def change(client: Client, verb: str, *chosen: DuplicationJob) -> Any:
    return client.post(CHANGE, {"verb": verb, "jobs": " ".join(job.pk for job in chosen)}, follow=True)


def test_it_asks_first_and_counts(as_administrator: Client) -> None:
    first, second, done = failed("F1"), failed("F2"), a_job(State.SUCCEEDED, "S1")
    failed("F3")
    answer = as_administrator.get(CHANGE, {"verb": "retry", "job": [first.pk, second.pk, done.pk]})
    page = text(answer)
    assert "Try 2 copies again?" in page
    assert "SRC → F1" in page
    assert "SRC → F2" in page
    assert "F3" not in page
    assert "1 of the chosen copies cannot be tried again and is left alone" in page
    assert "<li>1 succeeded</li>" in page
    assert set(answer.context["ids"].split()) == {first.pk, second.pk}
    assert DuplicationJob.objects.count() == 4


def test_it_takes_all_that_match_wherever_they_stand(as_administrator: Client, faculty: User) -> None:
    for number in range(30):
        failed(f"F{number}", requester=faculty)
    failed("OTHER")
    answer = as_administrator.get(CHANGE, {"verb": "retry", "all": "1", "person": faculty.pk, "job": "\0nonsense"})
    page = text(answer)
    assert "Try 30 copies again?" in page
    assert "OTHER" not in page
    # The way back leads to what was looked for.
    assert f'href="/history/?person={faculty.pk}"' in page


def test_it_takes_so_many_at_once_and_says_so(as_administrator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_actions, "AT_ONCE", 3)
    jobs = [a_job(shortname=f"Q{number}") for number in range(5)]
    answer = as_administrator.get(CHANGE, {"verb": "cancel", "all": "1"})
    assert "These are the first 3; 2 more can follow" in text(answer)
    change(as_administrator, "cancel", *jobs)
    assert DuplicationJob.objects.filter(state=State.CANCELLED).count() == 3


def test_it_tries_each_again_and_tells_who_cannot(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    good, taken, moved = failed("NEW-1", requester=faculty), failed("BIO101-2025S1"), failed("NEW-2")
    DuplicationJob.objects.filter(pk=moved.pk).update(state=State.SUCCEEDED)
    answer = change(as_administrator, "retry", good, taken, moved)
    page = text(answer)
    assert answer.redirect_chain == [("/history/changed/", 303)]
    assert "1 copy will be tried again" in page
    assert "2 cannot be tried again" in page
    assert "already has this short name" in page
    assert "Only a job that failed or was cancelled can be tried again." in page
    new = DuplicationJob.objects.get(retry_of=good)
    assert (new.requester, new.state, new.shortname) == (faculty, State.QUEUED, "NEW-1")
    event = new.events.get()
    assert (event.kind, event.actor.username) == ("submitted", "ada")
    assert DuplicationJob.objects.count() == 4


def test_it_names_the_job_that_has_the_short_name(
    as_administrator: Client, faculty: User, colleague: User, sandbox: Sandbox
) -> None:
    old, other = failed("NEW-1", requester=faculty), a_job(shortname="NEW-1", fullname="<i>One", requester=colleague)
    page = text(change(as_administrator, "retry", old))
    link = f'<a href="/jobs/{other.pk}/">“&lt;i&gt;One”</a>'
    assert f"unfinished copy already has this short name. It is {link}, asked for by Nadia Bakshi." in page
    assert link in text(as_administrator.get("/history/changed/"))


def test_it_says_nothing_of_a_job_that_is_somebody_elses(
    as_faculty: Client, faculty: User, colleague: User, sandbox: Sandbox
) -> None:
    old, other = failed("NEW-1", requester=faculty), a_job(shortname="NEW-1", requester=colleague)
    page = text(change(as_faculty, "retry", old))
    assert "Another unfinished copy already has this short name." in page
    assert other.pk not in page
    assert "Nadia" not in page


def test_it_tells_the_same_again_without_doing_anything_again(as_administrator: Client, sandbox: Sandbox) -> None:
    change(as_administrator, "retry", failed("NEW-1"))
    page = text(as_administrator.get("/history/changed/"))
    assert "1 copy will be tried again" in page
    assert DuplicationJob.objects.count() == 2


def test_it_cancels_each_by_its_own_verb(as_administrator: Client) -> None:
    queued, waits = a_job(shortname="Q1"), a_job(State.AWAITING_APPROVAL, "A1")
    runs = a_job(State.RUNNING, "R1", sent_at=timezone.now(), started_at=timezone.now())
    asked = as_administrator.get(CHANGE, {"verb": "cancel", "all": "1"})
    assert "Cancel 3 copies?" in text(asked)
    page = text(change(as_administrator, "cancel", queued, waits, runs))
    assert "3 copies cancelled" in page
    for job in (queued, waits, runs):
        job.refresh_from_db()
    assert (queued.state, waits.state, runs.state) == (State.CANCELLED, State.CANCELLED, State.RUNNING)
    assert runs.cancel_requested_at is not None
    assert runs.events.last().kind == "cancel_requested"  # type: ignore[union-attr]
    asked = as_administrator.get(CHANGE, {"verb": "cancel", "all": "1"})
    assert "Nothing to cancel" in text(asked)
    assert "1 cancelled already, removed when Moodle is done" in text(asked)


def test_it_does_not_know_other_peoples_copies(as_faculty: Client, colleague: User, sandbox: Sandbox) -> None:
    theirs = failed("THEIRS", requester=colleague)
    queued = a_job(shortname="Q", requester=colleague)
    answer = as_faculty.get(CHANGE, {"verb": "retry", "job": theirs.pk}, follow=True)
    assert answer.redirect_chain[0][1] == 303
    assert "No copy was chosen." in text(answer)
    assert "THEIRS" not in text(answer)
    page = text(change(as_faculty, "retry", theirs))
    assert "0 copies will be tried again" in page
    assert "THEIRS" not in page
    change(as_faculty, "cancel", queued)
    queued.refresh_from_db()
    assert queued.state == State.QUEUED
    assert DuplicationJob.objects.count() == 2


def test_it_lets_the_help_desk_do_what_the_policy_says(as_help_desk: Client, settings: Any, sandbox: Sandbox) -> None:
    job, queued = failed("NEW-1"), a_job(shortname="Q1")
    for verb in ("retry", "cancel"):
        assert as_help_desk.get(CHANGE, {"verb": verb, "all": "1"})["Location"] == "/history/"
        change(as_help_desk, verb, job, queued)
    assert DuplicationJob.objects.count() == 2
    settings.HELP_DESK_MAY_RETRY = True
    change(as_help_desk, "cancel", queued)
    queued.refresh_from_db()
    assert queued.state == State.QUEUED
    assert "1 copy will be tried again" in text(change(as_help_desk, "retry", job))


def test_it_changes_only_their_own_for_faculty_who_help(
    as_faculty: Client, faculty: User, help_desk: User, colleague: User
) -> None:
    faculty.groups.add(*help_desk.groups.all())
    a_job(shortname="MINE", requester=faculty)
    a_job(shortname="THEIRS", requester=colleague)
    page = text(as_faculty.get(CHANGE, {"verb": "cancel", "all": "1"}))
    assert "Cancel 1 copy?" in page
    assert "<li>1 not yours to change</li>" in page


def test_it_stops_when_moodle_does_not_answer(as_administrator: Client, sandbox: Sandbox) -> None:
    jobs = [failed(f"NEW-{number}") for number in range(3)]
    sandbox.stop()
    page = text(change(as_administrator, "retry", *jobs))
    assert "0 copies will be tried again" in page
    assert "3 were not come to." in page
    assert DuplicationJob.objects.count() == 3


def test_it_stops_when_it_takes_too_long(
    as_administrator: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_actions, "SECONDS", -1.0)
    page = text(change(as_administrator, "retry", failed("NEW-1")))
    assert "1 was not come to." in page
    assert "Choose them once more." in page


def test_it_says_what_to_do_when_nothing_was_chosen(as_administrator: Client) -> None:
    a_job(shortname="Q1")
    answer = as_administrator.get(CHANGE, {"verb": "retry", "q": "Q1"}, follow=True)
    assert answer.redirect_chain == [("/history/?q=Q1", 303)]
    assert "Tick the copies first" in text(answer)


@pytest.mark.parametrize("verb", ["", "approve", "delete"])
def test_it_knows_no_other_verbs(as_administrator: Client, verb: str) -> None:
    job = a_job(State.AWAITING_APPROVAL)
    for method in (as_administrator.get, as_administrator.post):
        assert method(CHANGE, {"verb": verb, "all": "1", "job": job.pk, "jobs": job.pk}).status_code == 303
    job.refresh_from_db()
    assert job.state == State.AWAITING_APPROVAL


def test_it_has_nothing_to_tell_before_anything_was_done(as_administrator: Client) -> None:
    assert as_administrator.get("/history/changed/")["Location"] == "/history/"


def test_it_escapes_what_it_tells(as_administrator: Client) -> None:
    job = a_job(State.SUCCEEDED, "<b>X", fullname="<script>alert(1)</script>")
    page = change(as_administrator, "cancel", job).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; (&lt;b&gt;X)" in page


def test_it_refuses_without_a_token_of_the_form(administrator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    job = a_job()
    assert client.post(CHANGE, {"verb": "cancel", "jobs": job.pk}).status_code == 403
    job.refresh_from_db()
    assert job.state == State.QUEUED

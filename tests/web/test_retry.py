"""Tests retrying a job on its page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, BIOLOGY_2027, a_job, text

pytestmark = pytest.mark.django_db


def _failed(requester: User | None, **more: object) -> DuplicationJob:
    return a_job(State.FAILED, requester=requester, source_id=BIO101, category_id=BIOLOGY_2027, **more)


def test_retry_is_a_new_job_of_the_same_requester(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    old = _failed(faculty)
    answer = as_administrator.post(f"/jobs/{old.pk}/retry/")
    new = DuplicationJob.objects.exclude(pk=old.pk).get()
    assert (answer.status_code, answer["Location"]) == (303, f"/jobs/{new.pk}/")
    assert (new.retry_of, new.requester, new.shortname, new.state) == (old, faculty, old.shortname, State.QUEUED)
    old.refresh_from_db()
    assert old.state == State.FAILED


def test_button_tries_again_without_a_confirmation(as_administrator: Client, faculty: User) -> None:
    old = _failed(faculty)
    page = as_administrator.get(f"/jobs/{old.pk}/").content.decode()
    assert f'type="submit" form="act-at-once" formaction="/jobs/{old.pk}/retry/"' in page
    assert "Try this copy again?" not in page


def test_refusal_because_of_the_requester_names_them_to_an_administrator(
    as_administrator: Client, as_faculty: Client, faculty: User, sandbox: Sandbox
) -> None:
    old = _failed(faculty)
    sandbox.state.change(BIO101, teachers=())
    page = text(as_administrator.post(f"/jobs/{old.pk}/retry/"))
    assert "Fay Faculty requested this copy, and may not request it now: “No course that you teach was found." in page
    assert f'href="/jobs/new/?from={old.pk}"' in page
    page = text(as_faculty.post(f"/jobs/{old.pk}/retry/"))
    assert "No course that you teach was found." in page
    assert "requested this copy" not in page


def test_taken_short_name_leads_to_the_form(as_faculty: Client, faculty: User, sandbox: Sandbox) -> None:
    old = _failed(faculty, shortname="BIO101-2025S1")
    sandbox.state.change(sandbox.state.by_shortname("BIO101-2025S1")[0].id, fullname="Merger, confidential")
    answer = as_faculty.post(f"/jobs/{old.pk}/retry/")
    page = text(answer)
    assert answer.status_code == 409
    assert "A course in Moodle already has this short name." in page
    # The page does not reveal the owner and the name of the other job.
    assert "confidential" not in page
    assert f'href="/jobs/new/?from={old.pk}"' in page


def test_job_that_reserves_the_short_name_is_named(
    as_administrator: Client, faculty: User, colleague: User, sandbox: Sandbox
) -> None:
    old, other = _failed(faculty), a_job(shortname="new-1", fullname="<i>Theirs</i>", requester=colleague)
    page = text(as_administrator.post(f"/jobs/{old.pk}/retry/"))
    link = f'<a href="/jobs/{other.pk}/">“&lt;i&gt;Theirs&lt;/i&gt;”</a>'
    assert f"unfinished copy already has this short name. The copy is {link}, requested by Nadia Bakshi." in page


def test_foreign_job_with_the_short_name_is_not_revealed(
    as_faculty: Client, faculty: User, colleague: User, sandbox: Sandbox
) -> None:
    old, other = _failed(faculty), a_job(shortname="NEW-1", requester=colleague)
    page = text(as_faculty.post(f"/jobs/{old.pk}/retry/"))
    assert "Another unfinished copy already has this short name." in page
    assert other.pk not in page
    assert "Nadia" not in page


def test_refusal_says_that_moodle_does_not_answer(as_faculty: Client, faculty: User, sandbox: Sandbox) -> None:
    old = _failed(faculty)
    sandbox.stop()
    answer = as_faculty.post(f"/jobs/{old.pk}/retry/")
    assert answer.status_code == 409
    assert "This was not possible." in text(answer)
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize("who", ["administrator", "faculty"])
def test_only_administrators_read_about_the_connection(
    faculty: User, sandbox: Sandbox, settings: Settings, request: pytest.FixtureRequest, who: str
) -> None:
    settings.MOODLE_TOKEN = "0" * 32
    answer = request.getfixturevalue(f"as_{who}").post(f"/jobs/{_failed(faculty).pk}/retry/")
    assert answer.status_code == 409
    told = answer.context["refusal"]
    if who == "administrator":
        assert "Check MOODLE_TOKEN." in told
    else:
        assert told == "The connection to Moodle does not work. Tell a course administrator."


MAY_BE_MADE = [State.RUNNING, State.CHECKING, State.UNRESOLVED]


@pytest.mark.parametrize("state", MAY_BE_MADE)
def test_unfinished_copy_is_not_retried(as_faculty: Client, faculty: User, sandbox: Sandbox, state: State) -> None:
    job = a_job(state, requester=faculty)
    answer = as_faculty.post(f"/jobs/{job.pk}/retry/")
    assert answer.status_code == 409
    # The page says this only once.
    assert text(answer).count(jobs.why_no_new_request(job)) == 1
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize("state", MAY_BE_MADE)
def test_refused_retry_is_not_offered(as_faculty: Client, faculty: User, state: State) -> None:
    job = a_job(state, requester=faculty)
    answer = as_faculty.get(f"/jobs/{job.pk}/retry/")
    page = text(answer)
    assert answer.status_code == 200
    assert "This copy cannot be tried again now" in page
    assert jobs.why_no_new_request(job) in page
    assert ">Try again</button>" not in page
    assert "Edit and try again" not in page
    assert f'<a class="button" href="/jobs/{job.pk}/">Back to the job</a>' in page


def test_ended_job_offers_retry_and_edit(as_faculty: Client, faculty: User) -> None:
    page = text(as_faculty.get(f"/jobs/{_failed(faculty).pk}/retry/"))
    assert ">Try again</button>" in page
    assert "Edit and try again" in page

"""Tests editing and approving a waiting request in one step."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication import approval_actions
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.notifications.models import Preferences
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, BIOLOGY_2027, a_job, form, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


@pytest.fixture
def job(faculty: User) -> DuplicationJob:
    return a_job(
        State.AWAITING_APPROVAL,
        "BIO101-2027S1",
        requester=faculty,
        source_id=BIO101,
        category_id=BIOLOGY_2027,
        fullname="Biology",
        note="Please.",
    )


def _url(job: DuplicationJob) -> str:
    return f"/jobs/{job.pk}/edit/"


def _typed(**changed: Any) -> dict[str, Any]:
    return form(fullname="Biology", note=None, **changed)


def test_form_begins_with_the_request(as_administrator: Client, job: DuplicationJob) -> None:
    page = text(as_administrator.get(_url(job)))
    for words in (
        'value="BIO101-2027S1"',
        'value="Biology"',
        "Please.",
        "Fay Faculty",
        f'value="{BIOLOGY_2027}" checked',
    ):
        assert words in page


def test_edited_request_is_approved(as_administrator: Client, administrator: User, job: DuplicationJob) -> None:
    answer = as_administrator.post(_url(job), _typed(visible=None, blocks=None), follow=True)
    assert answer.redirect_chain == [("/approvals/", 303)]
    assert "“Biology” is approved with your changes." in text(answer)
    job.refresh_from_db()
    # The request may keep the short name that its own job reserves.
    assert (job.state, job.shortname, job.visible) == (State.QUEUED, "BIO101-2027S1", False)
    assert not job.options["blocks"]
    assert (job.note, job.source_id) == ("Please.", BIO101)
    event = job.events.get(kind="approved")
    assert (event.actor, event.reason) == (administrator, "Approved, with changes to: visibility, options.")


def test_short_name_can_be_changed(as_administrator: Client, job: DuplicationJob) -> None:
    as_administrator.post(_url(job), _typed(shortname="BETTER"))
    job.refresh_from_db()
    assert (job.state, job.shortname) == (State.QUEUED, "BETTER")
    assert DuplicationJob.objects.reserving_short_name("better").exists()
    assert "better" in job.search_text


def test_source_cannot_be_changed(as_administrator: Client, job: DuplicationJob) -> None:
    as_administrator.post(_url(job), _typed(source="9"))
    job.refresh_from_db()
    assert (job.state, job.source_id) == (State.QUEUED, BIO101)


def test_errors_are_named_and_input_is_kept(as_administrator: Client, job: DuplicationJob) -> None:
    other = a_job(shortname="HELD", source_id=1000)
    answer = as_administrator.post(_url(job), _typed(shortname="held", category="12345"))
    page = text(answer)
    assert answer.status_code == 422
    assert f'href="/jobs/{other.pk}/"' in page
    assert "Moodle has no such category." in page
    assert 'value="held"' in page
    job.refresh_from_db()
    assert job.state == State.AWAITING_APPROVAL


def test_deleted_source_is_not_replaced_by_another_course(
    as_administrator: Client, job: DuplicationJob, sandbox: Sandbox
) -> None:
    """A deleted source is not replaced by another course whose short name is the number of the deleted course."""
    DuplicationJob.objects.update(source_id=99999)
    sandbox.state.change(BIO101, shortname="99999")
    assert as_administrator.post(_url(job), _typed()).status_code == 422
    job.refresh_from_db()
    assert (job.state, job.source_id) == (State.AWAITING_APPROVAL, 99999)


def test_unknown_category_of_any_length_is_refused(as_administrator: Client, job: DuplicationJob) -> None:
    answer = as_administrator.post(_url(job), _typed(category="9" * 5000))
    assert answer.status_code == 422
    assert answer.context["form"].errors["category"]


def test_scheduled_time_is_kept(as_administrator: Client, job: DuplicationJob) -> None:
    moment = datetime(2090, 1, 15, 21, 30, 12, tzinfo=UTC)
    DuplicationJob.objects.update(not_before=moment)
    page = text(as_administrator.get(_url(job)))
    assert 'value="2090-01-15T21:30"' in page
    # The browser must not replace the zone in which the time was typed by its own zone.
    assert "data-timezone" not in page
    as_administrator.post(_url(job), _typed(start="later", not_before="2090-01-15T21:30"))
    job.refresh_from_db()
    assert job.not_before == moment
    assert job.events.get(kind="approved").reason == "Approved."


def test_second_of_two_equal_hours_is_kept(as_administrator: Client, administrator: User, job: DuplicationJob) -> None:
    # It is 02:30 for the second time, because summer time ended half an hour ago.
    moment = datetime(2090, 10, 29, 1, 30, tzinfo=UTC)
    DuplicationJob.objects.update(not_before=moment)
    Preferences.objects.create(user=administrator, time_zone="Europe/Berlin")
    assert 'value="2090-10-29T02:30"' in text(as_administrator.get(_url(job)))
    as_administrator.post(_url(job), _typed(start="later", not_before="2090-10-29T02:30", timezone="Europe/Berlin"))
    job.refresh_from_db()
    assert job.not_before == moment
    assert job.events.get(kind="approved").reason == "Approved."


def test_scheduled_time_can_be_changed(as_administrator: Client, job: DuplicationJob) -> None:
    DuplicationJob.objects.update(not_before=datetime(2090, 1, 15, 21, 30, tzinfo=UTC))
    # The same local time in another time zone.
    as_administrator.post(_url(job), _typed(start="later", not_before="2090-01-15T21:30", timezone="Asia/Tokyo"))
    job.refresh_from_db()
    assert job.not_before == datetime(2090, 1, 15, 12, 30, tzinfo=UTC)
    assert job.events.get(kind="approved").reason == "Approved, with changes to: start time."


def test_scheduled_time_can_be_removed(as_administrator: Client, job: DuplicationJob) -> None:
    DuplicationJob.objects.update(not_before=datetime(2090, 1, 15, 21, 30, tzinfo=UTC))
    as_administrator.post(_url(job), _typed(start="now"))
    job.refresh_from_db()
    assert job.not_before is None
    assert job.events.get(kind="approved").reason == "Approved, with changes to: start time."


def test_past_start_is_no_change(as_administrator: Client, job: DuplicationJob) -> None:
    DuplicationJob.objects.update(not_before=timezone.now() - timedelta(hours=1))
    answer = as_administrator.post(_url(job), _typed(), follow=True)
    assert "“Biology” is approved." in text(answer)
    assert "as you changed it" not in text(answer)
    assert job.events.get(kind="approved").reason == "Approved."


def test_start_that_passed_meanwhile_is_no_change(as_administrator: Client, job: DuplicationJob) -> None:
    moment = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=1)
    DuplicationJob.objects.update(not_before=moment)
    as_administrator.post(_url(job), _typed(start="later", not_before=f"{moment:%Y-%m-%dT%H:%M}"))
    assert job.events.get(kind="approved").reason == "Approved."


def test_past_scheduled_time_is_not_filled_in(as_administrator: Client, job: DuplicationJob) -> None:
    DuplicationJob.objects.update(not_before=timezone.now() - timedelta(hours=1))
    assert 'value="now" id="id_start_0" checked' in text(as_administrator.get(_url(job))).replace("required ", "")


def test_decided_request_cannot_be_edited(as_administrator: Client, job: DuplicationJob) -> None:
    approval_actions.approve(job, actor=None)
    for answer in (
        as_administrator.get(_url(job), follow=True),
        as_administrator.post(_url(job), _typed(), follow=True),
    ):
        assert "This job is queued now and can no longer be changed." in text(answer)


def test_input_is_kept_if_moodle_does_not_answer(
    as_administrator: Client, job: DuplicationJob, sandbox: Sandbox
) -> None:
    sandbox.stop()
    answer = as_administrator.post(_url(job), _typed(shortname="BETTER"))
    page = text(answer)
    assert answer.status_code == 422
    assert "Nothing was changed, and what you typed is kept." in page
    assert 'value="BETTER"' in page


def test_own_short_name_counts_as_free(as_administrator: Client, as_faculty: Client, job: DuplicationJob) -> None:
    asked = {"shortname": job.shortname, "job": job.pk}
    assert "This short name is free." in text(as_administrator.get("/jobs/new/check-short-name/", asked))
    # The name is free only for people who may edit this job.
    assert "already has this short name" in text(as_faculty.get("/jobs/new/check-short-name/", asked))

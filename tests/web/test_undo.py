"""Tests undoing approvals within a few seconds, and restoring deleted presets and filters."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.queue.dispatch import dispatch
from dupdash.duplication.states import State
from dupdash.moodle.options import ALWAYS, OPTIONS
from dupdash.web.models import OptionPreset, SavedFilter
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(faculty: User) -> DuplicationJob:
    return a_job(State.AWAITING_APPROVAL, requester=faculty)


def test_list_approves_with_one_press_and_offers_to_undo_it(as_administrator: Client, job: DuplicationJob) -> None:
    assert f'form="approve-one" formaction="/jobs/{job.pk}/approve/"' in text(as_administrator.get("/approvals/"))
    answer = as_administrator.post(f"/jobs/{job.pk}/approve/", {"back": "approvals"}, follow=True)
    assert answer.redirect_chain == [("/approvals/", 303)]
    page = text(answer).replace("\u2068", "").replace("\u2069", "")
    assert "“Copy called NEW-1” (NEW-1) is approved." in page
    assert f'action="/jobs/{job.pk}/undo-approval/" data-expires="10"' in page
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_approved_copy_does_not_start_while_it_can_be_undone(as_administrator: Client, job: DuplicationJob) -> None:
    as_administrator.post(f"/jobs/{job.pk}/approve/")
    dispatch()
    job.refresh_from_db()
    assert (job.state, job.dispatched_at) == (State.QUEUED, None)
    assert "Starts in a few seconds." in text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "Scheduled for" not in text(as_administrator.get(f"/jobs/{job.pk}/"))
    DuplicationJob.objects.update(undo_until=timezone.now() - timedelta(seconds=1))
    dispatch()
    job.refresh_from_db()
    assert job.dispatched_at is not None


def test_undone_approval_waits_for_approval_again(as_administrator: Client, job: DuplicationJob) -> None:
    as_administrator.post(f"/jobs/{job.pk}/approve/")
    page = text(as_administrator.post(f"/jobs/{job.pk}/undo-approval/", follow=True))
    job.refresh_from_db()
    assert (job.state, job.queued_at, job.undo_until) == (State.AWAITING_APPROVAL, None, None)
    assert "waits for approval again." in page
    assert job.events.get(kind="approval_undone").actor is not None


@pytest.mark.parametrize("end", [{"url": "refuse", "reason": "No."}, {"url": "cancel"}])
def test_page_names_no_undone_approval(as_administrator: Client, job: DuplicationJob, end: dict[str, str]) -> None:
    as_administrator.post(f"/jobs/{job.pk}/approve/")
    assert "<dt>Approved by</dt>" in text(as_administrator.get(f"/jobs/{job.pk}/"))
    as_administrator.post(f"/jobs/{job.pk}/undo-approval/")
    as_administrator.post(f"/jobs/{job.pk}/{end['url']}/", end)
    job.refresh_from_db()
    assert job.is_terminal
    assert "<dt>Approved by</dt>" not in text(as_administrator.get(f"/jobs/{job.pk}/"))


@pytest.mark.parametrize("change", [{"undo_until": timezone.now()}, {"dispatched_at": timezone.now()}])
def test_approval_is_not_undone_too_late(
    as_administrator: Client, job: DuplicationJob, change: dict[str, object]
) -> None:
    as_administrator.post(f"/jobs/{job.pk}/approve/")
    DuplicationJob.objects.update(**change)
    as_administrator.post(f"/jobs/{job.pk}/undo-approval/")
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_several_approvals_are_named_and_undone_together(
    as_administrator: Client, faculty: User, job: DuplicationJob
) -> None:
    others = [a_job(State.AWAITING_APPROVAL, f"N{number}", requester=faculty) for number in range(4)]
    ids = [one.pk for one in (job, *others)]
    page = text(as_administrator.post("/approvals/decide/", {"verb": "approve", "job": ids}, follow=True))
    assert "and 2 more are approved." in page
    assert DuplicationJob.objects.filter(state=State.QUEUED).count() == 5
    undone = text(as_administrator.post("/approvals/undo/", {"jobs": " ".join(ids)}, follow=True))
    assert "Undone: 5 requests wait for approval again." in undone
    assert DuplicationJob.objects.filter(state=State.AWAITING_APPROVAL).count() == 5


def test_approvals_are_undone_by_administrators_only(as_faculty: Client, job: DuplicationJob) -> None:
    assert as_faculty.post(f"/jobs/{job.pk}/undo-approval/").status_code == 403
    assert as_faculty.post("/approvals/undo/", {"jobs": job.pk}).status_code == 403


def test_deleted_preset_comes_back(as_administrator: Client) -> None:
    options = {option.name: option.name in ("activities", "blocks") for option in OPTIONS} | {"enrolments": ALWAYS}
    preset = OptionPreset.objects.create(name="Fresh start", options=options)
    page = text(as_administrator.post(f"/presets/{preset.pk}/delete/", follow=True))
    messages = page.partition('id="page-messages"')[2]
    url, fields = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', messages)[0]
    as_administrator.post(url, dict(re.findall(r'name="(\w+)" value="([^"]*)"', fields)))
    assert OptionPreset.objects.get().options == options


def test_filter_is_saved_under_a_name_and_listed(as_administrator: Client, administrator: User) -> None:
    assert "Save this filter" not in text(as_administrator.get("/jobs/"))
    a_job(State.FAILED)
    assert "Save this filter" in text(as_administrator.get("/jobs/?state=failed"))
    page = text(as_administrator.post("/jobs/filters/", {"state": "failed", "name": " All  failures "}, follow=True))
    saved = SavedFilter.objects.get()
    assert (saved.owner, saved.name, saved.query) == (administrator, "All failures", "state=failed")
    assert 'href="/jobs/?state=failed" aria-current="page">All failures</a>' in page


def test_filter_of_the_same_name_is_replaced(as_administrator: Client) -> None:
    for state in ("failed", "open"):
        as_administrator.post("/jobs/filters/", {"state": state, "name": "Mine"})
    assert SavedFilter.objects.get().query == "state=open"


def test_deleted_filter_comes_back(as_administrator: Client, administrator: User) -> None:
    saved = SavedFilter.objects.create(owner=administrator, name="Mine & yours", query="q=two+words&state=failed")
    page = text(as_administrator.post(f"/jobs/filters/{saved.pk}/delete/", follow=True))
    assert 'name="name" value="Mine &amp; yours"' in page
    as_administrator.post("/jobs/filters/", {"q": "two words", "state": "failed", "name": "Mine & yours"})
    assert SavedFilter.objects.filter(name="Mine & yours").exists()


def test_filters_of_others_are_neither_shown_nor_deleted(as_help_desk: Client, administrator: User) -> None:
    saved = SavedFilter.objects.create(owner=administrator, name="Secret", query="state=failed")
    assert "Secret" not in text(as_help_desk.get("/jobs/?state=failed"))
    assert as_help_desk.post(f"/jobs/filters/{saved.pk}/delete/").status_code == 404


@pytest.mark.parametrize(
    "sent", [{"state": "failed", "name": " "}, {"name": "Everything"}, {"since": "x", "name": "A"}]
)
def test_nothing_is_saved_without_a_filter_or_a_name(as_administrator: Client, sent: dict[str, str]) -> None:
    assert "Nothing was saved." in text(as_administrator.post("/jobs/filters/", sent, follow=True))
    assert not SavedFilter.objects.exists()

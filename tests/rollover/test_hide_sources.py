"""Tests hiding sources whose copies are all complete, and showing them again when the batch is undone."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dupdash.duplication.models import Batch, MoodleHealth
from dupdash.duplication.states import State
from dupdash.rollover import tasks
from dupdash.rollover.batches import undo_batch
from dupdash.rollover.models import SourceState
from dupdash.rollover.pages.forms import StartForm
from tests.duplication.support import Moodle, run_dispatched
from tests.rollover.files import HEADINGS
from tests.rollover.support import a_plan, start
from tests.web.support import text

pytestmark = pytest.mark.django_db(transaction=True)

# Courses of the sandbox.
BIO101, ATT = 7, 8
UPDATE = "core_course_update_courses"


def run(owner: User, moodle: Moodle, *, taken: str = "") -> Batch:
    """Make copies of two sources, and hide the sources. Another course gets the short name ``taken`` before."""
    plan = a_plan(f"{HEADINGS}\n{BIO101},Biology,B-1,8\n{BIO101},Biology,B-2,8\n{ATT},AT&T,A-1,8\n", owner)
    batch = start(plan, hide_sources=True)
    assert batch is not None
    if taken:
        moodle.add(taken)
    run_dispatched()
    return batch


def visible(moodle: Moodle, course_id: int) -> bool:
    return bool(moodle.state.course(course_id).visible)


def test_sources_are_hidden_when_all_copies_are_complete(administrator: User, moodle: Moodle) -> None:
    run(administrator, moodle)
    assert visible(moodle, BIO101)
    tasks.continue_work()
    assert (visible(moodle, BIO101), visible(moodle, ATT)) == (False, False)


def test_source_with_a_failed_copy_stays_visible(administrator: User, moodle: Moodle, as_administrator: Client) -> None:
    batch = run(administrator, moodle, taken="B-2")
    tasks.continue_work()
    assert (visible(moodle, BIO101), visible(moodle, ATT)) == (True, False)
    page = text(as_administrator.get(reverse("rollover:batch", args=[batch.pk])))
    assert "1 source was hidden." in page


def test_source_of_a_copy_that_succeeds_after_the_batch_closed_is_hidden(administrator: User, moodle: Moodle) -> None:
    batch = run(administrator, moodle)
    job = batch.jobs.get(shortname="A-1")
    batch.jobs.filter(pk=job.pk).update(state=State.UNRESOLVED, finished_at=None)
    tasks.continue_work()
    assert (visible(moodle, BIO101), visible(moodle, ATT)) == (False, True)
    batch.jobs.filter(pk=job.pk).update(state=State.SUCCEEDED, finished_at=timezone.now())
    tasks.continue_work()
    assert visible(moodle, ATT) is False
    batch.refresh_from_db()
    assert batch.closed_at > batch.jobs.get(pk=job.pk).finished_at


def test_sources_that_the_batch_hid_are_shown_again_when_it_is_undone(administrator: User, moodle: Moodle) -> None:
    moodle.state.change(ATT, visible=0)
    batch = run(administrator, moodle)
    tasks.continue_work()
    assert set(batch.hidden_sources.values_list("state", flat=True)) == {SourceState.HIDDEN, SourceState.BEFORE}
    undo = undo_batch.begin(batch, actor=administrator)
    tasks.continue_work()
    undo_batch.confirm(undo, actor=administrator)
    tasks.continue_work()
    assert (visible(moodle, BIO101), visible(moodle, ATT)) == (True, False)


def test_sources_are_hidden_later_if_moodle_is_unreachable(administrator: User, moodle: Moodle) -> None:
    batch = run(administrator, moodle)
    moodle.stop()
    tasks.continue_work()
    assert set(batch.hidden_sources.values_list("state", flat=True)) == {SourceState.WAITING}


def page_of(client: Client, batch: Batch) -> str:
    return text(client.get(reverse("rollover:batch", args=[batch.pk])))


def test_page_says_why_a_source_was_not_hidden(administrator: User, moodle: Moodle, as_administrator: Client) -> None:
    batch = run(administrator, moodle)
    moodle.answer_once(UPDATE, "nopermissions", "You may not.")
    tasks.continue_work()
    page = page_of(as_administrator, batch)
    assert "1 source could not be hidden. Course 7: Moodle did not hide this course. Moodle refused" in page
    assert "1 source was hidden." in page


def test_page_says_why_a_source_was_not_shown_again(
    administrator: User, moodle: Moodle, as_administrator: Client
) -> None:
    batch = run(administrator, moodle)
    tasks.continue_work()
    batch.hidden_sources.update(state=SourceState.SHOWING)
    moodle.answer_once(UPDATE, "nopermissions", "You may not.")
    tasks.continue_work()
    page = page_of(as_administrator, batch)
    assert "1 source could not be shown again. Course 7: Moodle did not show this course. Moodle refused" in page
    assert "1 source was shown again." in page
    assert "was hidden" not in page


@pytest.mark.parametrize("state", [SourceState.WAITING, SourceState.SHOWING])
def test_deleted_source_is_reported_as_deleted(
    administrator: User, moodle: Moodle, as_administrator: Client, state: SourceState
) -> None:
    batch = run(administrator, moodle)
    tasks.continue_work()
    batch.hidden_sources.filter(source_id=ATT).update(state=state)
    moodle.state.delete(ATT)
    tasks.continue_work()
    page = page_of(as_administrator, batch)
    assert "1 source is no longer in Moodle." in page
    assert "could not be" not in page


def test_hiding_is_not_offered_without_the_permission_in_moodle(administrator: User) -> None:
    MoodleHealth.current()
    assert StartForm().fields["hide_sources"].disabled
    MoodleHealth.objects.update(may_update=True)
    assert not StartForm().fields["hide_sources"].disabled

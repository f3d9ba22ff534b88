"""Tests undoing a batch: copies that nobody uses are listed, and deleted after a confirmation."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dupdash.duplication.models import Batch
from dupdash.duplication.states import State
from dupdash.rollover import tasks
from dupdash.rollover.batches import undo_batch
from dupdash.rollover.models import Undo, UndoState, Verdict
from dupdash.sandbox.records import Module
from tests.duplication.support import Moodle, run_dispatched, run_worker
from tests.rollover.support import a_plan, jobs_of, rows, start
from tests.web.support import text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def batch(administrator: User, moodle: Moodle) -> Batch:
    """A batch of three complete copies."""
    batch = start(a_plan(rows(3), administrator))
    assert batch is not None
    run_dispatched()
    assert {job.state for job in jobs_of(batch)} == {State.SUCCEEDED}
    return batch


def looked(batch: Batch, actor: User) -> Undo:
    undo = undo_batch.begin(batch, actor=actor)
    tasks.continue_work()
    undo.refresh_from_db()
    return undo


def verdicts(undo: Undo) -> list[str]:
    return list(undo.items.values_list("verdict", flat=True))


def test_unchanged_copies_are_deleted_after_the_confirmation(batch: Batch, administrator: User, moodle: Moodle) -> None:
    undo = looked(batch, administrator)
    assert undo.state == UndoState.CHECKED
    assert verdicts(undo) == [Verdict.DELETABLE] * 3
    assert moodle.named("BIO-COPY-1")
    undo_batch.confirm(undo, actor=administrator)
    tasks.continue_work()
    undo.refresh_from_db()
    assert undo.state == UndoState.DONE
    assert verdicts(undo) == [Verdict.DELETED] * 3
    assert not moodle.named("BIO-COPY-1")
    job = jobs_of(batch)[0]
    assert job.course_deleted_at is not None
    assert job.events.last().actor == administrator
    # The source is not changed.
    assert moodle.named("BIO101-2026S1")


def changed(moodle: Moodle, course_id: int, what: str) -> None:
    course = moodle.by_id(course_id)
    assert course is not None
    first, *others = course.sections
    new = Module(id=10**6, modname="forum", name="Talk")
    now = int((timezone.now() + timedelta(hours=1)).timestamp())
    changes: dict[str, dict[str, Any]] = {
        "renamed": {"shortname": "OTHER"},
        "full name": {"fullname": "Other"},
        "moved": {"categoryid": 2},
        "people": {"students": (4,)},
        "activity": {"sections": (replace(first, modules=(*first.modules, new)), *others)},
        "activity removed": {"sections": (replace(first, modules=()), *(replace(one, modules=()) for one in others))},
        "settings": {"timemodified": now},
    }
    moodle.change(course_id, **changes[what])


@pytest.mark.parametrize(
    "what", ["renamed", "full name", "moved", "people", "activity", "activity removed", "settings"]
)
def test_copy_that_somebody_changed_stays(batch: Batch, administrator: User, moodle: Moodle, what: str) -> None:
    course_id = jobs_of(batch)[1].course_id
    changed(moodle, course_id or 0, what)
    undo = looked(batch, administrator)
    assert verdicts(undo) == [Verdict.DELETABLE, Verdict.KEPT, Verdict.DELETABLE]
    assert undo.items.get(verdict=Verdict.KEPT).reason
    undo_batch.confirm(undo, actor=administrator)
    tasks.continue_work()
    assert moodle.by_id(course_id) is not None


def test_copy_that_is_changed_after_the_confirmation_stays(batch: Batch, administrator: User, moodle: Moodle) -> None:
    undo = looked(batch, administrator)
    changed(moodle, jobs_of(batch)[0].course_id or 0, "people")
    undo_batch.confirm(undo, actor=administrator)
    tasks.continue_work()
    assert verdicts(undo) == [Verdict.KEPT, Verdict.DELETED, Verdict.DELETED]


def test_missing_copy_is_reported_as_gone(batch: Batch, administrator: User, moodle: Moodle) -> None:
    moodle.state.delete(jobs_of(batch)[2].course_id or 0)
    assert verdicts(looked(batch, administrator)) == [Verdict.DELETABLE, Verdict.DELETABLE, Verdict.GONE]


def test_only_new_people_prevent_the_deletion_of_a_copy(administrator: User, moodle: Moodle) -> None:
    content = rows(1).replace("category", "category,users,role_assignments,enrolments", 1).replace(",8", ",8,1,1,1")
    batch = start(a_plan(content, administrator))
    (job,) = jobs_of(batch)
    run_worker(job)
    assert batch is not None
    copy = moodle.by_id(job.course_id)
    assert copy is not None
    assert copy.enrolled
    assert verdicts(looked(batch, administrator)) == [Verdict.DELETABLE]
    stranger = next(user for user in moodle.state.users if user not in copy.enrolled)
    moodle.change(copy.id, students=(*copy.students, stranger))
    assert verdicts(looked(batch, administrator)) == [Verdict.KEPT]


def test_nothing_is_deleted_without_the_confirmation(batch: Batch, administrator: User, moodle: Moodle) -> None:
    looked(batch, administrator)
    tasks.continue_work()
    assert moodle.named("BIO-COPY-1")


def test_nothing_is_deleted_if_people_cannot_be_listed(batch: Batch, administrator: User, moodle: Moodle) -> None:
    moodle.switches.withdrawn = frozenset({"core_enrol_get_enrolled_users"})
    undo = looked(batch, administrator)
    assert "dupdash could not use Moodle, so not all copies were checked." in undo.failure
    assert Verdict.DELETABLE not in verdicts(undo)


def test_stopped_deletion_asks_for_the_confirmation_again(batch: Batch, administrator: User, moodle: Moodle) -> None:
    undo = looked(batch, administrator)
    undo_batch.confirm(undo, actor=administrator)
    moodle.switches.withdrawn = frozenset({"core_enrol_get_enrolled_users"})
    tasks.continue_work()
    undo.refresh_from_db()
    assert undo.state == UndoState.CHECKED
    assert "To delete the others, confirm it again later." in undo.failure


def test_early_confirmation_is_told_that_the_check_is_not_done(batch: Batch, as_administrator: Client) -> None:
    as_administrator.post(reverse("rollover:begin_undo", args=[batch.pk]))
    undo = Undo.objects.get()
    answer = as_administrator.post(reverse("rollover:confirm_undo", args=[batch.pk, undo.pk]), follow=True)
    assert "The copies are still being checked." in text(answer)
    assert "confirmed already" not in text(answer)


def test_undo_continues_after_the_time_limit(
    batch: Batch, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "RUN_LONGEST", -1.0)
    undo = looked(batch, administrator)
    assert undo.state == UndoState.CHECKING
    monkeypatch.setattr(tasks, "RUN_LONGEST", 10.0)
    tasks.continue_work()
    undo.refresh_from_db()
    assert undo.state == UndoState.CHECKED


def test_batch_is_undone_through_the_pages(batch: Batch, as_administrator: Client, moodle: Moodle) -> None:
    changed(moodle, jobs_of(batch)[1].course_id or 0, "people")
    answer = as_administrator.post(reverse("rollover:begin_undo", args=[batch.pk]), follow=True)
    assert "Nothing is deleted before you confirm it." in text(answer)
    tasks.continue_work()
    undo = Undo.objects.get()
    page = text(as_administrator.get(reverse("rollover:undo", args=[batch.pk, undo.pk])))
    assert "Delete 2 copies?" in page
    assert "1 copy stays" in page
    assert "1 person is enrolled." in page
    as_administrator.post(reverse("rollover:confirm_undo", args=[batch.pk, undo.pk]))
    tasks.continue_work()
    assert "Deleted: 2" in text(as_administrator.get(reverse("rollover:undo", args=[batch.pk, undo.pk])))

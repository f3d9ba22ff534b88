"""Creates plans and batches in each state at the invented university, for screenshots of the rollover pages."""

import math
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from dupdash.duplication.models import Batch, DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from dupdash.moodle import options
from dupdash.rollover.checks.plans import continue_checks
from dupdash.rollover.models import HiddenSource, Plan, SourceState, Undo, UndoItem, UndoState, Verdict
from dupdash.rollover.plan_creation import plan_from_table
from dupdash.rollover.reading.table import read_table
from tests.browser.demo_data import DemoData
from tests.duplication.support import a_job

LIST = """source;fullname;shortname;category;startdate;enddate;idnumber;summary
BIO101-2026S1;Introduction to Biology (Spring 2028);BIO101-2028S1;8;2028-01-31;;BIO101/28;For everybody
BIO210-2026S1;Genetics (Spring 2028);BIO210-2028S1;8;2028-01-31;2028-06-16;;
BIO304-2026S1;Molecular Cell Biology (Spring 2028);BIO304-2028S1;Faculty of Science / 2028;;;;
AT&T;AT&T: a course with an ampersand;BIO101-2028S1;8;01/02/2028;;;
NO-SUCH-COURSE;A course that nobody knows, with a name that takes more than one line on a narrow screen;NEW-2028;8;;;;
"""
COPIES = (
    (State.SUCCEEDED, "Introduction to Biology"),
    (State.SUCCEEDED, "Genetics"),
    (State.FAILED, "Molecular Cell Biology"),
    (State.RUNNING, "Conservation Biology"),
    (State.QUEUED, "Organic Chemistry"),
    (State.QUEUED, "Statistics for Biologists"),
)


def open_rollover(campus: DemoData) -> dict[str, str]:
    """Create the plans and batches. Returns the URLs of the pages, by what they show."""
    MoodleHealth.objects.update(may_update=True)
    running, ended = _batch(campus, "Term 2027 S1"), _batch(campus, "Summer school 2027.xlsx", ended=True)
    undo = _undo(campus, ended)
    return {
        "list": reverse("rollover:list"),
        "upload": reverse("rollover:upload"),
        "from-moodle": reverse("rollover:from_moodle"),
        "courses": reverse("rollover:from_moodle") + "?category=6",
        "checking": reverse("rollover:plan", args=[_plan(campus, checked=False).pk]),
        "plan": reverse("rollover:plan", args=[(plan := _plan(campus)).pk]) + "?view=all",
        "row": reverse("rollover:row", args=[plan.pk, 5]),
        "batch": reverse("rollover:batch", args=[running.pk]),
        "cancel": reverse("rollover:cancel", args=[running.pk]),
        "ended": reverse("rollover:batch", args=[ended.pk]),
        "undo": reverse("rollover:undo", args=[ended.pk, undo.pk]),
    }


def _plan(campus: DemoData, *, checked: bool = True) -> Plan:
    table = read_table(LIST.encode(), rows_most=100)
    plan = plan_from_table(table, name="Spring 2028.csv", owner=campus.administrator, options=options.defaults())
    if checked:
        continue_checks(plan, math.inf)
        plan.refresh_from_db()
        plan.rows.filter(number=6).update(included=False)
    return plan


def _batch(campus: DemoData, label: str, *, ended: bool = False) -> Batch:
    now = timezone.now()
    began = now - timedelta(days=3 if ended else 0, minutes=12)
    batch = Batch.objects.create(label=label, requester=campus.administrator, created_at=began)
    for row, (state, name) in enumerate(COPIES[:3] if ended else COPIES, start=2):
        course = {"course_id": 900 + row, "proof": "answered"} if state == State.SUCCEEDED else {}
        failure = {"failure_code": "shortnametaken"} if state == State.FAILED else {}
        finished = {"finished_at": began + timedelta(minutes=row)} if state in (State.SUCCEEDED, State.FAILED) else {}
        a_job(
            state,
            f"{'SUMMER' if ended else 'TERM'}-{row}",
            requester=campus.administrator,
            fullname=f"{name} (2027)",
            source_id=10 + row,
            source_fullname=name,
            source_shortname=f"{'SUMMER' if ended else 'TERM'}26-{row}",
            batch=batch,
            batch_row=row,
            batch_order=row,
            created_at=began,
            **course,
            **failure,
            **finished,
        )
    if ended:
        Batch.objects.filter(pk=batch.pk).update(closed_at=now - timedelta(days=2))
        HiddenSource.objects.create(batch=batch, source_id=7, state=SourceState.HIDDEN)
    return batch


def _undo(campus: DemoData, batch: Batch) -> Undo:
    undo = Undo.objects.create(batch=batch, requester=campus.administrator, state=UndoState.CHECKED)
    first, second = DuplicationJob.objects.filter(batch=batch, state=State.SUCCEEDED).order_by("batch_row")
    UndoItem.objects.create(undo=undo, job=first, verdict=Verdict.DELETABLE)
    reason = "3 people are enrolled, but not in the source."
    UndoItem.objects.create(undo=undo, job=second, verdict=Verdict.KEPT, reason=reason)
    return undo

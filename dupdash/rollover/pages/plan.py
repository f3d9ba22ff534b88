"""Shows the page of a plan: the progress of the check, then the rows; starts, discards and exports the plan."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dupdash.rollover import tasks
from dupdash.rollover.batches.start import CannotStart, request_start, why_not
from dupdash.rollover.models import Level, Plan, PlanState
from dupdash.rollover.pages.access import with_plan
from dupdash.rollover.pages.forms import StartForm
from dupdash.rollover.pages.preview import preview_of
from dupdash.rollover.reading.formula_protection import defuse
from dupdash.web.csv_files import csv_response
from dupdash.web.presentation.durations import roughly
from dupdash.web.responses import PersonRequest, no_content, partial, see_other


@with_plan
@require_safe
def plan(request: PersonRequest, plan: Plan) -> HttpResponseBase:
    if plan.batch is not None:
        return see_other("rollover:batch", plan.batch.pk)
    if plan.is_working:
        return render(request, "rollover/checking.html", {"plan": plan, **_progress(plan)})
    return preview_page(request, plan)


def preview_page(request: PersonRequest, plan: Plan, form: StartForm | None = None, status: int = 200) -> HttpResponse:
    shown = preview_of(plan, request.GET)
    context = {
        "plan": plan,
        "preview": shown,
        "duration": roughly(shown.duration) if shown.duration else "",
        "form": form or StartForm(),
        "refusal": why_not(plan),
    }
    return render(request, "rollover/plan.html", context, status=status)


@with_plan
@require_safe
def progress(request: PersonRequest, plan: Plan) -> HttpResponseBase:
    """Answer a poll with the progress of the check. When the check has ended, the answer reloads the page."""
    if not plan.is_working:
        response = no_content()
        response["HX-Redirect"] = reverse("rollover:plan", args=[plan.pk])
        return response
    return partial(request, "rollover/_progress.html", {"plan": plan, **_progress(plan)})


@with_plan
@require_POST
def check_again(request: PersonRequest, plan: Plan) -> HttpResponseBase:
    """Have a worker check all rows again."""
    if Plan.objects.filter(pk=plan.pk, state=PlanState.CHECKED).update(state=PlanState.CHECKING, failure=""):
        plan.rows.update(level=Level.UNKNOWN)
        tasks.ask_for_work()
    return see_other("rollover:plan", plan.pk)


@with_plan
@require_POST
def start(request: PersonRequest, plan: Plan) -> HttpResponseBase:
    form = StartForm(request.POST)
    if not form.is_valid():
        return preview_page(request, plan, form, status=422)
    try:
        request_start(plan, form.start_settings)
    except CannotStart as refusal:
        messages.error(request, str(refusal))
        return see_other("rollover:plan", plan.pk)
    tasks.ask_for_work()
    return see_other("rollover:plan", plan.pk)


@with_plan
@require_POST
def discard(request: PersonRequest, plan: Plan) -> HttpResponseBase:
    """Delete a plan that was not started."""
    deleted, _ = Plan.objects.filter(pk=plan.pk, batch__isnull=True).exclude(state=PlanState.STARTING).delete()
    if deleted:
        messages.success(request, "The list was discarded. Nothing was copied.")
    else:
        messages.error(request, "This list is being started or was started, so it cannot be discarded.")
    return see_other("rollover:list")


@with_plan
@require_safe
def export(request: PersonRequest, plan: Plan) -> HttpResponseBase:
    """Export the included rows with their problems and warnings as CSV, to be corrected and uploaded again."""
    headings: list[str] = list(plan.headings)
    added = {column for values in plan.rows.values_list("values", flat=True) for column in values} - set(headings)
    headings += sorted(added)
    return csv_response("list", [*map(defuse, headings), "row", "problems"], _rows(plan, headings), safe=defuse)


def _rows(plan: Plan, headings: list[str]) -> Iterator[list[str]]:
    for row in plan.rows.filter(included=True).iterator(chunk_size=500):
        problems = " ".join(message for _, message, _ in [*row.problems, *row.warnings])
        yield [*row.cells(headings), str(row.number), problems]


def _progress(plan: Plan) -> dict[str, Any]:
    rows = plan.rows.filter(included=True) if plan.state == PlanState.STARTING else plan.rows.all()
    total = rows.count()
    done = total - rows.filter(level=Level.UNKNOWN).count()
    return {"total": total, "done": done, "percent": 100 * done // total if total else 0}

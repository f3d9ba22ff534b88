"""Corrects, excludes and includes rows of a plan."""

from urllib.parse import parse_qsl, urlsplit

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dupdash.duplication.request import as_id
from dupdash.moodle.errors import MoodleError
from dupdash.rollover.batches.start import why_not
from dupdash.rollover.checks.conflicts_between_rows import refresh_conflicts
from dupdash.rollover.checks.plans import check_row_again
from dupdash.rollover.models import Level, Plan, PlanState
from dupdash.rollover.pages.access import with_plan
from dupdash.rollover.pages.forms import RowForm
from dupdash.rollover.pages.preview import preview_of, shown_row
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.presentation.error_messages import words_of_error
from dupdash.web.responses import PersonRequest, SeeOther, no_store, see_other

NOT_NOW = "The rows cannot be changed now: they are being checked, or the list was started."


@with_plan
@require_safe_or_POST
def row(request: PersonRequest, plan: Plan, number: int) -> HttpResponseBase:
    """Show the form that corrects a row, and save the row. The saved row is checked again at once."""
    row = get_object_or_404(plan.rows, number=number)
    if plan.state != PlanState.CHECKED:
        messages.error(request, NOT_NOW)
        return see_other("rollover:plan", plan.pk)
    form = RowForm(request.POST or None, row=row)
    if request.method == "POST" and form.is_valid():
        form.apply()
        row.included = True
        row.level = Level.UNKNOWN
        row.save()
        try:
            check_row_again(plan, row)
        except MoodleError as error:
            form.add_error(None, f"The row was saved, but could not be checked. {words_of_error(error, request.user)}")
        else:
            if row.level != Level.ERROR:
                return _changed(request, plan, f"#row-{number}")
    context = {"plan": plan, "row": shown_row(row), "form": form, "back": _back(request, plan)}
    template = "rollover/_plan_row_form.html" if request.htmx else "rollover/row.html"
    return render(request, template, context, status=422 if request.method == "POST" else 200)


@with_plan
@require_POST
def include(request: PersonRequest, plan: Plan) -> HttpResponseBase:
    """Exclude a row or all rows with errors, or include them again."""
    if plan.state != PlanState.CHECKED:
        messages.error(request, NOT_NOW)
        return see_other("rollover:plan", plan.pk)
    included = request.POST.get("included") == "1"
    rows = plan.rows.filter(included=not included)
    if request.POST.get("rows") == "errors":
        rows = rows.filter(level=Level.ERROR)
    else:
        rows = rows.filter(number=as_id(request.POST.get("row", "")) or 0)
    changed = rows.update(included=included)
    refresh_conflicts(plan)
    if changed > 1 and not request.htmx:
        messages.success(request, f"{changed:,} rows were {'included' if included else 'excluded'}.")
    return _changed(request, plan)


def _changed(request: PersonRequest, plan: Plan, anchor: str = "") -> HttpResponseBase:
    """Answer with the current rows for htmx, or redirect to the page of rows that the person came from."""
    back = _back(request, plan)
    if not request.htmx:
        return SeeOther(f"{back}{anchor}")
    query = dict(parse_qsl(urlsplit(back).query))
    context = {"plan": plan, "preview": preview_of(plan, query), "refusal": why_not(plan)}
    response = render(request, "rollover/_rows_changed.html", context)
    response["HX-Retarget"] = "#plan-rows"
    return no_store(response)


def _back(request: PersonRequest, plan: Plan) -> str:
    """Return the URL of the page of rows that the person came from; that of the first page if it is unknown."""
    wanted = request.POST.get("back") or request.GET.get("back", "")
    if wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return reverse("rollover:plan", args=[plan.pk])

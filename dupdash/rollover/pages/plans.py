"""Lists plans and batches, and uploads a file as a new plan."""

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.rollover import tasks
from dupdash.rollover.batches.progress import totals_of
from dupdash.rollover.models import Level, PlanState
from dupdash.rollover.pages.access import visible_plans
from dupdash.rollover.pages.forms import UploadForm
from dupdash.rollover.plan_creation import plan_from_table
from dupdash.rollover.reading.table import UnreadableFile, read_table
from dupdash.web.csv_files import csv_response
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.responses import PersonRequest, see_other

# The maximum number of batches that are listed. Older ones can be opened from the job pages of their jobs.
LISTED_MOST = 50

EXAMPLE = (
    ("source", "fullname", "shortname", "category", "visible", "start"),
    ("BIO101-2026S1", "Introduction to Biology (2027 S1)", "BIO101-2027S1", "Science / 2027 Semester 1", "1", ""),
    ("17", "Organic Chemistry (2027 S1)", "CHE201-2027S1", "SCI-2027", "0", "2027-01-15 20:00"),
)


@require_safe
def overview(request: PersonRequest) -> HttpResponse:
    wrong = Count("rows", filter=Q(rows__included=True, rows__level=Level.ERROR))
    plans = (
        visible_plans(request.user)
        .exclude(state=PlanState.STARTED)
        .select_related("owner")
        .annotate(row_count=Count("rows"), error_count=wrong)[:LISTED_MOST]
    )
    batches = list(access.visible_batches(request.user).select_related("requester")[:LISTED_MOST])
    totals = totals_of(batches)
    context = {
        "plans": plans,
        "batches": [(batch, totals[batch.pk]) for batch in batches],
        "may_roll_over": access.may_roll_over(request.user),
    }
    return render(request, "rollover/list.html", context)


@require_safe_or_POST
def upload(request: PersonRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            table = read_table(form.cleaned_data["file"].read(), rows_most=settings.ROLLOVER_ROWS)
        except UnreadableFile as error:
            form.add_error("file", str(error))
        else:
            plan = plan_from_table(table, name=form.list_name, owner=request.user, options=form.chosen_options)
            tasks.ask_for_work()
            messages.success(request, "The file was read. Nothing is copied until you start the list.")
            return see_other("rollover:plan", plan.pk)
    context = {
        "form": form,
        "rows_most": settings.ROLLOVER_ROWS,
        "mib_most": settings.ROLLOVER_FILE_MIB,
        "time_zone": settings.TIME_ZONE,
    }
    return render(request, "rollover/upload.html", context, status=422 if request.method == "POST" else 200)


@require_safe
def example(request: PersonRequest) -> HttpResponseBase:
    """Download an example file."""
    heads, *rows = EXAMPLE
    return csv_response("courses", heads, rows)

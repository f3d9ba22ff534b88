"""Shows the list of copies with search, filters and sorting, answers its polls, and exports the list as CSV."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.duplication.models import JobQuerySet
from dupdash.web.converters import is_job_id
from dupdash.web.csv_files import csv_response
from dupdash.web.date_fields import today
from dupdash.web.decorators import part_of
from dupdash.web.job_list import bulk_changes, export, filters
from dupdash.web.job_list.filters import ListForm
from dupdash.web.job_list.orders import DEFAULT, ORDERS, PAGE, load_jobs, page_of, reverse_of
from dupdash.web.job_list.spelling import corrected
from dupdash.web.models import SavedFilter
from dupdash.web.presentation.fingerprint import digest
from dupdash.web.presentation.job_rows import Row, rows
from dupdash.web.responses import PersonRequest, no_content, no_store, partial
from dupdash.web.stored_moodle_health import health_of

NEWER_MOST = 99

# The sortable columns, and the order after the first click on each.
COLUMNS = (("copy", "Copy"), ("person", "Requested by"), ("-created", "Requested"), ("-took", "Duration"))


@dataclass(frozen=True)
class Head:
    """The heading of a column, with the link that sorts the list by this column."""

    id: str
    label: str
    url: str
    # "ascending" or "descending" if the list is sorted by this column, otherwise "".
    order: str


@require_safe
def jobs(request: PersonRequest) -> HttpResponse:
    form = ListForm(request.GET, request.user)
    context = {
        "form": form,
        "saved_filters": saved_filters(request, form),
        "may_submit": access.may_submit(request.user),
        **table_context(request),
        **_results(request, form),
    }
    if not request.htmx:
        return render(request, "jobs/list.html", context)
    if request.htmx.trigger != "list-filters":
        # Somebody clicked a column heading. The filter form must show the new order, too.
        form.fields["sort"].widget.attrs["hx-swap-oob"] = "true"
        context["resorted"] = True
    response = render(request, "jobs/_results.html", {**context, "announce": True})
    response["HX-Push-Url"] = list_url(form)
    return no_store(response)


@require_safe
def find_copy(request: PersonRequest) -> HttpResponse:
    """Open the page of the copy that a search on the overview finds, or the list if it finds several or none."""
    form = ListForm(request.GET, request.user)
    if form.is_valid() and form.cleaned_data["q"]:
        # A second match is enough to know that there are several.
        found = form.found().ids(2)
        if len(found) == 1:
            return redirect("jobs:job", found[0])
    return redirect(list_url(form))


@part_of("jobs:list")
@require_safe
def job_rows(request: PersonRequest) -> HttpResponse:
    """Answer a poll of the list: the current rows of the unfinished jobs, and the number of newer requests."""
    shown = [job_id for job_id in request.GET.getlist("job") if is_job_id(job_id)][:PAGE]
    newest = _moment(request.GET.get("newest", ""))
    visible = access.visible_jobs(request.user)
    found = visible.filter(pk__in=shown).select_related("requester", "assignee").order_by("-created_at", "-id")
    polled = rows(found, health_of(request))
    newer = visible.filter(created_at__gt=newest).order_by()[: NEWER_MOST + 1].count() if newest else 0
    live = live_context(polled, newest, newer)
    if request.GET.get("seen") == live["seen"]:
        return no_content()
    context = {"rows": polled, **live, **table_context(request)}
    return partial(request, "jobs/_live_rows.html", context, last=not live["rows_url"])


@require_safe
def jobs_csv(request: PersonRequest) -> HttpResponseBase:
    form = ListForm(request.GET, request.user)
    if not form.is_valid():
        return HttpResponse("One of the filters has an error.", status=400, content_type="text/plain")
    columns = export.columns(raw=access.sees_all_jobs(request.user))
    lines = export.lines(form.found().indexed, form.order, columns)
    return csv_response(f"copies-{today()}", [heading for heading, _ in columns], lines)


@dataclass(frozen=True)
class SavedLink:
    """A saved filter, as a link above the list."""

    id: int
    name: str
    url: str
    current: bool


def saved_filters(request: PersonRequest, form: ListForm) -> list[SavedLink]:
    shown = form.query().urlencode()
    return [
        SavedLink(saved.pk, saved.name, f"{reverse('jobs:list')}?{saved.query}", saved.query == shown)
        for saved in SavedFilter.objects.filter(owner=request.user)
    ]


def list_url(form: ListForm, **other: str) -> str:
    return f"{reverse('jobs:list')}?{form.query(**other).urlencode()}".rstrip("?")


def table_context(request: PersonRequest) -> dict[str, object]:
    """Return the context of a table of copies that can be selected (``jobs/_list_row.html``)."""
    return {
        "sees_all": access.sees_all_jobs(request.user),
        "offered": [action.name.lower() for action in bulk_changes.offered(request.user)],
    }


def _results(request: PersonRequest, form: ListForm) -> dict[str, object]:
    found, total = form.found_and_counted()
    meant = corrected(form.cleaned_data["q"], access.visible_jobs(request.user)) if total == 0 else ""
    if meant:
        found, total = form.found_and_counted(meant)
    # Only ids are sorted, because that is faster than sorting whole rows.
    page = page_of(found.each(lambda jobs: jobs.only("pk")), form.order, request.GET.dict())
    shown = rows(load_jobs(job.pk for job in page.jobs), health_of(request))
    # If one page shows all jobs, no query needs to count them.
    if total is None:
        most = filters.COUNTED_MOST + 1
        total = found.indexed.order_by()[:most].count() if page.previous or page.next else len(page.jobs)
    starts_at_newest = page.is_first and form.order_name == DEFAULT and not form.is_narrowed
    newest = _newest(access.visible_jobs(request.user)) if starts_at_newest else None
    return {
        "rows": shown,
        "meant": meant,
        "total": f"more than {filters.COUNTED_MOST:,}" if total > filters.COUNTED_MOST else f"{total:,}",
        "is_one": total == 1,
        "narrowed": form.is_narrowed,
        "heads": {head.id: head for head in _heads(form)},
        "previous_url": list_url(form, previous=page.previous) if page.previous else "",
        "next_url": list_url(form, next=page.next) if page.next else "",
        "csv_url": f"{reverse('jobs:csv')}?{form.query().urlencode()}".rstrip("?"),
        "kept": form.query(),
        **live_context(shown, newest, 0),
    }


def _newest(jobs: JobQuerySet) -> datetime | None:
    return jobs.order_by("-created_at", "-id").values_list("created_at", flat=True).first()


def live_context(shown: Iterable[Row], newest: datetime | None, newer: int) -> dict[str, object]:
    """Return the context of ``jobs/_live.html``, which polls the unfinished rows.

    ``newest``: when the newest job was requested, or None if the page does not report newer ones. ``newer``: how many
    jobs were requested since then.
    """
    unfinished = [row for row in shown if not row.finished]
    seen = digest(tuple(unfinished), newer)
    query: list[tuple[str, str]] = [("job", row.id) for row in unfinished]
    if newest is not None:
        query.append(("newest", newest.isoformat()))
    return {
        "seen": seen,
        "rows_url": f"{reverse('jobs:rows')}?{urlencode([*query, ('seen', seen)])}" if unfinished else "",
        "newer": newer,
        "newer_words": f"more than {NEWER_MOST}" if newer > NEWER_MOST else str(newer),
    }


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None and 2000 <= moment.year <= 2100 else None


def _heads(form: ListForm) -> Sequence[Head]:
    heads = []
    for first, label in COLUMNS:
        here = form.order_name in (first, reverse_of(first))
        direction = ("descending" if ORDERS[form.order_name].parts[0].descending else "ascending") if here else ""
        asked = reverse_of(form.order_name) if here else first
        heads.append(Head(first.lstrip("-"), label, list_url(form, sort=asked), direction))
    return heads

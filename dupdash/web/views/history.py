"""The history: every copy there ever was, searched, filtered and sorted; and what is done to several at once."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.models import DuplicationJob, JobQuerySet, MoodleHealth
from dupdash.web.converters import JobId
from dupdash.web.csv_files import csv_response
from dupdash.web.date_fields import today
from dupdash.web.decorators import permission_required
from dupdash.web.health_of_request import health_of
from dupdash.web.history import bulk_actions, export
from dupdash.web.history.filters import HistoryForm
from dupdash.web.history.sorting import SORTS, page_of, turned
from dupdash.web.presentation.durations import exactly
from dupdash.web.presentation.job_rows import Row, rows
from dupdash.web.responses import PersonRequest, no_store, see_other

# What the session keeps of the last change to several jobs, for the page that tells of it.
LAST_CHANGE = "history_last_change_told"

_AN_ID = re.compile(JobId.regex)

# The columns that sort, and which order their heads ask for first.
COLUMNS = (("copy", "Copy"), ("person", "Asked for by"), ("-created", "When"), ("-took", "Took"))


@dataclass(frozen=True)
class Head:
    """The head of a column: a link that sorts by it."""

    id: str
    label: str
    url: str
    # "ascending" or "descending" for the column that is sorted by, else empty.
    order: str


@dataclass(frozen=True)
class Entry:
    row: Row
    took: str


@permission_required
@require_safe
def history(request: PersonRequest) -> HttpResponse:
    form = _form(request, request.GET)
    address = f"{reverse('history')}?{form.query().urlencode()}".rstrip("?")
    context = {"form": form, "sees_all": access.sees_all_jobs(request.user), **_results(request, form)}
    if request.htmx:
        if request.htmx.trigger != "history-filters":
            # The head of a column was clicked: the order that the filters show goes with it.
            form.fields["sort"].widget.attrs["hx-swap-oob"] = "true"
            context["resorted"] = True
        response = render(request, "history/_results.html", {**context, "announce": True})
        response["HX-Push-Url"] = address
        return no_store(response)
    return render(request, "history/history.html", context)


@permission_required
@require_safe
def history_csv(request: PersonRequest) -> HttpResponseBase:
    form = _form(request, request.GET)
    if not form.is_valid():
        return HttpResponse("These filters cannot be used.", status=400, content_type="text/plain")
    raw = access.sees_all_jobs(request.user)
    found = SORTS[form.chosen_sort].sorted(form.found())
    return csv_response(f"copies-{today()}", export.heads(raw=raw), export.lines(found, raw=raw))


@permission_required
@require_http_methods(["GET", "HEAD", "POST"])
def history_change(request: PersonRequest) -> HttpResponse:
    """Ask whether several jobs shall be changed; and change those, and only those, that were counted then."""
    given = request.POST if request.method == "POST" else request.GET
    verb = bulk_actions.VERBS.get(given.get("verb", ""))
    form = _form(request, given)
    back = f"{reverse('history')}?{form.query().urlencode()}".rstrip("?")
    if verb is None or verb not in bulk_actions.offered(request.user):
        return see_other(back)
    visible = access.visible_jobs(request.user)
    if request.method == "POST":
        chosen = visible.filter(pk__in=_ids(given.get("jobs", "").split())[: bulk_actions.AT_ONCE]).select_related(
            "requester"
        )
        result = bulk_actions.do(SORTS[form.chosen_sort].sorted(chosen), verb, request.user)
        request.session[LAST_CHANGE] = {**asdict(result), "verb": given["verb"], "back": back}
        return see_other("history_changed")
    everything = given.get("all") == "1"
    wanted = form.found() if everything else visible.filter(pk__in=_ids(given.getlist("job")))
    choice = bulk_actions.choose(SORTS[form.chosen_sort].sorted(wanted), verb, request.user)
    if not choice.jobs and not choice.left_alone:
        messages.info(request, "No copy was chosen. Tick the copies first, then choose what to do with them.")
        return see_other(back)
    context = {
        "verb": given["verb"],
        "danger": verb == Action.CANCEL,
        "choice": choice,
        "count": len(choice.jobs),
        "entries": _entries(choice.jobs, health_of(request)),
        "sees_all": access.sees_all_jobs(request.user),
        "ids": " ".join(job.pk for job in choice.jobs),
        "kept": form.query(),
        "back": back,
    }
    return render(request, "history/change.html", context)


@permission_required
@require_safe
def history_changed(request: PersonRequest) -> HttpResponse:
    """What became of the last change to several jobs; it can be loaded again without doing anything again."""
    result = request.session.get(LAST_CHANGE)
    if result is None:
        return see_other("history")
    context = {
        "result": result,
        "refusals": bulk_actions.told(result["refusals"], request.user),
        "back": result["back"],
    }
    return render(request, "history/changed.html", context)


def _ids(texts: Iterable[str]) -> list[str]:
    """Those that are ids: no database is asked for anything else."""
    return [text for text in texts if _AN_ID.fullmatch(text)]


def _form(request: PersonRequest, asked: QueryDict) -> HistoryForm:
    visible = access.visible_jobs(request.user)
    return HistoryForm(asked, visible, everybody=access.sees_all_jobs(request.user))


def _results(request: PersonRequest, form: HistoryForm) -> dict[str, object]:
    found = form.found()
    page = page_of(found.select_related("requester"), SORTS[form.chosen_sort], request.GET.dict())
    path = reverse("history")
    query = form.query().urlencode()
    # A page that is all there is needs no counting.
    total = len(page.jobs) if not (page.previous or page.next) else _counted(found)
    return {
        "entries": _entries(page.jobs, health_of(request)),
        "total": total,
        "narrowed": form.query(sort="").urlencode() != "",
        "heads": {head.id: head for head in _heads(form, path)},
        "previous_url": _address(path, form, previous=page.previous),
        "next_url": _address(path, form, next=page.next),
        "csv_url": f"{reverse('history_csv')}?{query}".rstrip("?"),
        "kept": form.query(),
        "offered": [verb.name.lower() for verb in bulk_actions.offered(request.user)],
    }


def _counted(jobs: JobQuerySet) -> int:
    return jobs.order_by().count()


def _entries(jobs: Iterable[DuplicationJob], health: MoodleHealth) -> list[Entry]:
    jobs = list(jobs)
    return [
        Entry(row, exactly(took) if job.finished_at and (took := job.elapsed()) is not None else "")
        for job, row in zip(jobs, rows(jobs, health), strict=True)
    ]


def _heads(form: HistoryForm, path: str) -> list[Head]:
    heads = []
    for first, label in COLUMNS:
        here = form.chosen_sort in (first, turned(first))
        order = ("descending" if SORTS[form.chosen_sort].descending else "ascending") if here else ""
        asked = turned(form.chosen_sort) if here else first
        heads.append(Head(first.lstrip("-"), label, _address(path, form, sort=asked) or path, order))
    return heads


def _address(path: str, form: HistoryForm, **other: str) -> str:
    """Empty where a page is asked for that there is not."""
    if not all(other.values()):
        return ""
    return f"{path}?{form.query(**other).urlencode()}".rstrip("?")

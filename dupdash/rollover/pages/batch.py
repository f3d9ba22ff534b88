"""Shows the page of a batch; pauses, resumes and changes the batch, and cancels and retries its copies."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication import batch_actions
from dupdash.duplication.batch_tables import Batch
from dupdash.duplication.models import JobQuerySet
from dupdash.duplication.states import BUSY, State
from dupdash.rollover.batches.hide_sources import hides_sources, is_hiding, sources_note
from dupdash.rollover.batches.progress import Totals, current_jobs, share_done, time_left, totals_of
from dupdash.rollover.pages.access import managers_only, with_batch
from dupdash.rollover.pages.forms import WindowForm
from dupdash.rollover.pages.results_csv import results_response
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.job_list import bulk_changes
from dupdash.web.job_list.orders import PAGE
from dupdash.web.presentation.components import Tab
from dupdash.web.presentation.durations import roughly
from dupdash.web.presentation.fingerprint import digest
from dupdash.web.presentation.job_rows import rows
from dupdash.web.responses import PersonRequest, no_content, partial, see_other
from dupdash.web.stored_moodle_health import health_of
from dupdash.web.views.jobs import live_context, table_context

# The filters of the page: the label of each, and the states of the jobs that it shows.
VIEWS: dict[str, tuple[str, frozenset[str]]] = {
    "all": ("All", frozenset(State)),
    "waiting": ("Waiting", frozenset({State.QUEUED, State.AWAITING_APPROVAL})),
    "running": ("In progress", BUSY),
    "succeeded": ("Succeeded", frozenset({State.SUCCEEDED})),
    "failed": ("Failed", frozenset({State.FAILED})),
    "unresolved": ("Unresolved", frozenset({State.UNRESOLVED})),
    "cancelled": ("Cancelled", frozenset({State.CANCELLED, State.REJECTED})),
}


@dataclass(frozen=True)
class Summary:
    """The values of the part of the page that is polled."""

    percent: int
    # The state of the bar.
    bar: str
    ended: int
    total: int
    tabs: tuple[Tab, ...]
    time_left: str
    note: str
    # Sentences about the sources that are hidden when the batch has ended, or "".
    sources: str
    # Whether each action is possible now.
    can_cancel: bool
    can_retry: bool
    can_undo: bool
    unfinished: bool
    # Whether the page must poll, because the batch may still change by itself.
    ongoing: bool


@with_batch
@require_safe
def batch(request: PersonRequest, batch: Batch) -> HttpResponseBase:
    view = _view(request)
    found = current_jobs(batch).filter(state__in=VIEWS[view][1]).select_related("requester", "assignee")
    page = Paginator(_in_order(found), PAGE).get_page(request.GET.get("page"))
    shown = rows(page.object_list, health_of(request))
    summary = _summary(batch, view)
    context = {
        "batch": batch,
        "plan": getattr(batch, "plan", None),
        "may_manage": access.may_manage_batch(request.user, batch),
        "rows": shown,
        **table_context(request),
        **live_context(shown, None, 0),
        "window_form": WindowForm.of(batch),
        "previous_url": _url(batch, view, page.number - 1) if page.has_previous() else "",
        "next_url": _url(batch, view, page.number + 1) if page.has_next() else "",
        **_live(batch, view, summary),
    }
    return render(request, "rollover/batch.html", context)


@with_batch
@require_safe
def live(request: PersonRequest, batch: Batch) -> HttpResponseBase:
    """Answer a poll of the page: the current summary, or an empty answer if it has not changed."""
    view = _view(request)
    summary = _summary(batch, view)
    context = _live(batch, view, summary)
    if request.GET.get("seen") == context["seen"]:
        return no_content()
    context |= {"batch": batch, "may_manage": access.may_manage_batch(request.user, batch)}
    return partial(request, "rollover/_batch_live.html", context, last=not summary.ongoing)


@with_batch
@require_safe
def results(request: PersonRequest, batch: Batch) -> HttpResponseBase:
    return results_response(batch, raw=access.sees_all_jobs(request.user))


@with_batch
@managers_only
@require_POST
def pause(request: PersonRequest, batch: Batch) -> HttpResponse:
    batch_actions.pause(batch, actor=request.user)
    messages.success(
        request, "The batch is paused. Moodle finishes the copies that it has begun. No other copy starts."
    )
    return see_other("rollover:batch", batch.pk)


@with_batch
@managers_only
@require_POST
def resume(request: PersonRequest, batch: Batch) -> HttpResponse:
    batch_actions.resume(batch, actor=request.user)
    messages.success(request, "The batch continues.")
    return see_other("rollover:batch", batch.pk)


@with_batch
@managers_only
@require_POST
def change(request: PersonRequest, batch: Batch) -> HttpResponse:
    form = WindowForm(request.POST)
    if form.is_valid():
        batch_actions.reschedule(batch, actor=request.user, priority=form.cleaned_data["priority"], window=form.window)
        messages.success(request, "The settings of the batch are saved.")
    else:
        messages.error(request, " ".join(str(message) for errors in form.errors.values() for message in errors))
    return see_other("rollover:batch", batch.pk)


@with_batch
@managers_only
@require_safe_or_POST
def cancel(request: PersonRequest, batch: Batch) -> HttpResponse:
    """Cancel the copies that have not started, after a confirmation."""
    if request.method != "POST":
        return render(
            request, "rollover/cancel.html", {"batch": batch, "waiting": totals_of([batch])[batch.pk].waiting}
        )
    cancelled = batch_actions.cancel_waiting(batch, actor=request.user)
    words = "1 copy was" if cancelled == 1 else f"{cancelled:,} copies were"
    messages.success(request, f"{words} cancelled. Moodle finishes the copies that it has begun.")
    return see_other("rollover:batch", batch.pk)


@with_batch
@managers_only
@require_POST
def retry(request: PersonRequest, batch: Batch) -> HttpResponse:
    """Retry the failed copies, at most CHANGES_MOST of them. Each copy gets a new job with the same names."""
    failed = _in_order(current_jobs(batch).filter(state=State.FAILED))
    chosen = list(failed[: bulk_changes.CHANGES_MOST])
    result = bulk_changes.do(chosen, Action.RETRY, request.user)
    if result.done:
        words = "1 failed copy is" if result.done == 1 else f"{result.done:,} failed copies are"
        messages.success(request, f"{words} being tried again.")
    for refusal in result.refusals[:5]:
        messages.error(request, f"{refusal.name}: {' '.join(words for words, _ in refusal.words)}")
    if len(result.refusals) > 5:
        messages.error(request, f"{len(result.refusals) - 5:,} more could not be tried again.")
    left = result.not_reached + max(0, failed.count() - len(result.refusals) - result.not_reached)
    if left:
        words = "1 failed copy was" if left == 1 else f"{left:,} failed copies were"
        messages.warning(request, f"{words} not tried again yet. {result.why or 'Try the failed ones again.'}")
    return see_other("rollover:batch", batch.pk)


def _in_order(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.order_by("batch_row", "pk")


def _view(request: PersonRequest) -> str:
    view = request.GET.get("view", "")
    return view if view in VIEWS else "all"


def _url(batch: Batch, view: str, page: int = 1) -> str:
    query = ({"view": view} if view != "all" else {}) | ({"page": str(page)} if page > 1 else {})
    return f"{reverse('rollover:batch', args=[batch.pk])}?{urlencode(query)}".rstrip("?")


def _live(batch: Batch, view: str, summary: Summary) -> dict[str, Any]:
    seen = digest(summary, batch.paused_at)
    query = urlencode({"view": view, "seen": seen})
    return {
        "summary": summary,
        "seen": seen,
        "live_url": f"{reverse('rollover:live', args=[batch.pk])}?{query}" if summary.ongoing else "",
    }


def _summary(batch: Batch, view: str) -> Summary:
    totals = totals_of([batch])[batch.pk]
    return Summary(
        percent=int(100 * share_done(batch, totals)),
        bar="done" if totals.succeeded == totals.total else "running",
        ended=totals.ended,
        total=totals.total,
        tabs=tuple(
            Tab(label, _url(batch, name), name == view, sum(totals.by_state[state] for state in states))
            for name, (label, states) in VIEWS.items()
        ),
        time_left=_time_left(batch, totals),
        note=_note(batch, totals),
        can_cancel=bool(totals.waiting),
        can_retry=bool(totals.failed),
        can_undo=bool(totals.succeeded),
        unfinished=bool(totals.unfinished),
        sources=sources_note(batch),
        ongoing=bool(totals.unfinished) or (batch.closed_at is None and hides_sources(batch)) or is_hiding(batch),
    )


def _time_left(batch: Batch, totals: Totals) -> str:
    left = time_left(batch, totals)
    return f"{roughly(left)} left" if left else ""


def _note(batch: Batch, totals: Totals) -> str:
    if not totals.unfinished:
        return "All copies have ended."
    if batch.paused_at is not None:
        return "Paused: no further copy starts."
    if batch.window_start and batch.window_end:
        return f"Copies start only from {batch.window_start:%H:%M} to {batch.window_end:%H:%M}."
    return ""

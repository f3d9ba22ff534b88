"""Undoes a batch: shows which of its copies can be deleted, deletes them after a confirmation, shows the result."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dupdash.duplication.batch_tables import Batch
from dupdash.rollover import tasks
from dupdash.rollover.batches import undo_batch
from dupdash.rollover.models import Undo, UndoState, Verdict
from dupdash.rollover.pages.access import managers_only, with_batch
from dupdash.web.responses import PersonRequest, no_content, partial, see_other

# The maximum number of copies that are listed under each verdict. Further copies are only counted.
LISTED_MOST = 500


@with_batch
@managers_only
@require_POST
def begin(request: PersonRequest, batch: Batch) -> HttpResponse:
    undo = undo_batch.begin(batch, actor=request.user)
    tasks.ask_for_work()
    return see_other("rollover:undo", batch.pk, undo.pk)


@with_batch
@managers_only
@require_safe
def undo(request: PersonRequest, batch: Batch, undo_id: str) -> HttpResponse:
    undo = get_object_or_404(batch.undos, pk=undo_id)
    context = {"batch": batch, "undo": undo, **_progress(undo)}
    if not undo.is_working:
        items = undo.items.select_related("job")
        context["groups"] = [
            (
                verdict.label,
                items.filter(verdict=verdict)[:LISTED_MOST],
                context["counts"][verdict],
                # Whether the page shows a reason beside each copy.
                verdict == Verdict.KEPT,
            )
            for verdict in (Verdict.DELETABLE, Verdict.DELETED, Verdict.KEPT, Verdict.GONE)
            if context["counts"][verdict]
        ]
    return render(request, "rollover/undo_batch.html", context)


@with_batch
@managers_only
@require_safe
def progress(request: PersonRequest, batch: Batch, undo_id: str) -> HttpResponseBase:
    undo = get_object_or_404(batch.undos, pk=undo_id)
    if not undo.is_working:
        response = no_content()
        response["HX-Redirect"] = reverse("rollover:undo", args=[batch.pk, undo.pk])
        return response
    return partial(request, "rollover/_undo_batch_progress.html", {"batch": batch, "undo": undo, **_progress(undo)})


@with_batch
@managers_only
@require_POST
def confirm(request: PersonRequest, batch: Batch, undo_id: str) -> HttpResponse:
    undo = get_object_or_404(batch.undos.select_related("batch"), pk=undo_id)
    if undo_batch.confirm(undo, actor=request.user):
        tasks.ask_for_work()
    elif undo.state == UndoState.CHECKING:
        messages.info(request, "The copies are still being checked.")
    else:
        messages.info(request, "The deletion was confirmed already.")
    return see_other("rollover:undo", batch.pk, undo.pk)


def _progress(undo: Undo) -> dict[str, Any]:
    counts = Counter(undo.items.values_list("verdict", flat=True))
    if undo.state == UndoState.DELETING:
        left = counts[Verdict.DELETABLE]
        total = left + counts[Verdict.DELETED]
    else:
        left, total = counts[Verdict.UNKNOWN], counts.total()
    done = total - left
    return {
        "counts": counts,
        "total": total,
        "done": done,
        "percent": 100 * done // total if total else 100,
        "deletable": counts[Verdict.DELETABLE],
        "kept": counts[Verdict.KEPT],
    }

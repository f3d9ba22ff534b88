"""The list of copies: a person's own, or everybody's."""

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.web.decorators import permission_required
from dupdash.web.health_of_request import health_of
from dupdash.web.presentation.fingerprint import digest
from dupdash.web.presentation.job_rows import Row, rows
from dupdash.web.presentation.paging import Key, address, between, page_of
from dupdash.web.responses import PersonRequest, no_content, partial

# So many newer copies are counted; beyond that it is "more than".
COUNTED = 99


@permission_required
@require_safe
def jobs(request: PersonRequest) -> HttpResponse:
    visible = access.visible_jobs(request.user).select_related("requester")
    page = page_of(visible, request.GET.dict())
    path = reverse("jobs:list")
    shown = rows(page.jobs, health_of(request))
    context: dict[str, object] = {
        "sees_all": access.sees_all_jobs(request.user),
        "may_submit": access.may_submit(request.user),
        "newer_url": address(path, after=page.newer) if page.newer else None,
        "older_url": address(path, before=page.older) if page.older else None,
    }
    if page.jobs:
        first, last = Key.of(page.jobs[0]), Key.of(page.jobs[-1])
        context |= _rows_context(request, shown, first, last, newer=0, on_top=page.newer is None)
    return render(request, "jobs/list.html", context)


@permission_required
@require_safe
def job_rows(request: PersonRequest) -> HttpResponse:
    """All rows that the page shows, in one answer; on the newest page also how many copies came since."""
    first, last = Key.read(request.GET.get("first")), Key.read(request.GET.get("last"))
    if first is None or last is None:
        return HttpResponse("The rows to show are named by first and last.", status=400, content_type="text/plain")
    visible = access.visible_jobs(request.user)
    shown = rows(between(visible.select_related("requester"), first, last)[:200], health_of(request))
    on_top = request.GET.get("top") == "1"
    newer = visible.filter(first.newer())[: COUNTED + 1].count() if on_top else 0
    context = _rows_context(request, shown, first, last, newer=newer, on_top=on_top)
    if request.GET.get("seen") == context["seen"]:
        return no_content()
    return partial(request, "jobs/_rows.html", context, last=not context["rows_url"])


def _rows_context(
    request: PersonRequest, shown: tuple[Row, ...], first: Key, last: Key, *, newer: int, on_top: bool
) -> dict[str, object]:
    seen = digest(shown, newer)
    going_on = any(not row.finished for row in shown)
    query = {"first": str(first), "last": str(last), "top": "1" if on_top else "", "seen": seen}
    return {
        "rows": shown,
        "seen": seen,
        "sees_all": access.sees_all_jobs(request.user),
        "rows_url": f"{reverse('jobs:rows')}?{urlencode(query)}" if going_on else None,
        "newer": newer,
        "newer_words": f"more than {COUNTED}" if newer > COUNTED else str(newer),
    }

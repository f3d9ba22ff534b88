"""Shows the audit log to administrators, with search, filters and pages, and exports it as CSV."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts.models import AuditEntry
from dupdash.duplication.request import as_id
from dupdash.web.csv_files import Cell, csv_response, with_zone
from dupdash.web.date_fields import today
from dupdash.web.forms.audit import AuditForm
from dupdash.web.responses import PersonRequest

PAGE = 50


@require_safe
def audit(request: PersonRequest) -> HttpResponse:
    form = AuditForm(request.GET)
    before, after = (as_id(request.GET.get(name, "")) for name in ("before", "after"))
    entries, newer, older = _page(form.found(), before, after)
    url = reverse("audit")
    context = {
        "form": form,
        "entries": entries,
        "narrowed": bool(form.query()),
        "newer_url": f"{url}{form.query(after=str(entries[0].pk))}" if newer else None,
        "older_url": f"{url}{form.query(before=str(entries[-1].pk))}" if older else None,
        "csv_url": f"{reverse('audit_csv')}{form.query()}",
    }
    return render(request, "accounts/audit.html", context)


@require_safe
def audit_csv(request: PersonRequest) -> HttpResponseBase:
    form = AuditForm(request.GET)
    if not form.is_valid():
        return HttpResponse("One of the filters has an error.", status=400, content_type="text/plain")
    heads = [with_zone("Time"), "What", "Person", "Subject", "Detail", "Job", "Address"]
    return csv_response(f"audit-{today()}", heads, _lines(form.found()))


def _lines(entries: QuerySet[AuditEntry]) -> Iterator[list[Cell]]:
    for entry in entries.iterator(chunk_size=500):
        yield [
            entry.at,
            entry.get_kind_display(),
            entry.actor,
            entry.subject,
            entry.detail,
            entry.job_id,
            entry.address,
        ]


def _page(found: QuerySet[AuditEntry], before: int | None, after: int | None) -> tuple[list[AuditEntry], bool, bool]:
    """Return one page of entries, newest first, and whether there are newer entries, and older ones.

    ``before`` and ``after``: the id of the entry next to the page.
    """
    if after is not None:
        page = list(found.filter(pk__gt=after).order_by("id")[: PAGE + 1])
        return page[:PAGE][::-1], len(page) > PAGE, bool(page)
    page = list((found.filter(pk__lt=before) if before is not None else found)[: PAGE + 1])
    return page[:PAGE], before is not None and bool(page), len(page) > PAGE

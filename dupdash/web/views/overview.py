"""The first page: what needs somebody, what runs, what waits, and what came of the latest copies."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.notifications.troubles import troubles
from dupdash.web.guard import guarded
from dupdash.web.http import PersonRequest, partial, unchanged
from dupdash.web.presentation.digests import digest
from dupdash.web.presentation.overview import figures, sections, site_of
from dupdash.web.site import health_of


@guarded
@require_safe
def overview(request: PersonRequest) -> HttpResponse:
    context = _live_context(request)
    context |= {
        "may_submit": access.may_submit(request.user),
        # Who may not ask for copies looks for those of others.
        "searches": access.sees_all_jobs(request.user) and not access.may_submit(request.user),
        "asks": access.may_submit(request.user) and not access.sees_all_jobs(request.user),
        "nothing_yet": not access.visible_jobs(request.user).exists(),
    }
    return render(request, "overview/overview.html", context)


@guarded
@require_safe
def overview_live(request: PersonRequest) -> HttpResponse:
    context = _live_context(request)
    if request.GET.get("seen") == context["seen"]:
        return unchanged()
    return partial(request, "overview/_live.html", context)


def _live_context(request: PersonRequest) -> dict[str, object]:
    health = health_of(request)
    shown = sections(request.user, health)
    day = figures(request.user)
    site = site_of(health) if access.sees_all_jobs(request.user) else None
    mail = troubles() if access.is_administrator(request.user) else None
    seen = digest(shown, day, site, mail)
    return {
        "sections": shown,
        "figures": day,
        "site": site,
        "mail": mail,
        "seen": seen,
        "sees_all": access.sees_all_jobs(request.user),
        "live_url": f"{reverse('overview_live')}?seen={seen}",
    }

"""Shows the overview: jobs that need attention, running and waiting jobs, and the latest results."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.duplication.queue import worker_status
from dupdash.notifications.mail_status import mail_problems
from dupdash.web.decorators import part_of
from dupdash.web.presentation.fingerprint import digest
from dupdash.web.presentation.overview import figures, sections, site_of
from dupdash.web.presentation.worker_notice import worker_notice
from dupdash.web.responses import PersonRequest, no_content, partial
from dupdash.web.stored_moodle_health import health_of


@require_safe
def overview(request: PersonRequest) -> HttpResponse:
    context = _live_context(request)
    context |= {
        "may_submit": access.may_submit(request.user),
        # The help desk cannot request copies. It searches the copies of other people.
        "searches": access.sees_all_jobs(request.user) and not access.may_submit(request.user),
        "asks": access.may_submit(request.user) and not access.sees_all_jobs(request.user),
        "nothing_yet": not access.visible_jobs(request.user).exists(),
    }
    return render(request, "overview/overview.html", context)


@part_of("overview")
@require_safe
def overview_live(request: PersonRequest) -> HttpResponse:
    """Answer a poll of the overview with its new content, or with nothing if it has not changed.

    A person who opens this URL is redirected to the overview.
    """
    context = _live_context(request)
    if request.GET.get("seen") == context["seen"]:
        return no_content()
    return partial(request, "overview/_live.html", context)


def _live_context(request: PersonRequest) -> dict[str, object]:
    health = health_of(request)
    shown = sections(request.user, health)
    day = figures(request.user)
    site = site_of(health) if access.sees_all_jobs(request.user) else None
    mail = mail_problems() if access.is_administrator(request.user) else None
    no_worker = worker_notice(worker_status.current(), request.user) if access.is_administrator(request.user) else None
    seen = digest(shown, day, site, mail, no_worker)
    return {
        "sections": shown,
        "figures": day,
        "site": site,
        "mail": mail,
        "no_worker": no_worker,
        "seen": seen,
        "sees_all": access.sees_all_jobs(request.user),
        "live_url": f"{reverse('overview_live')}?seen={seen}",
    }

"""Shows the page *System*: the checks, workers, queue and failures of dupdash, for administrators."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dupdash.web.presentation import system as presentation
from dupdash.web.presentation.job_rows import rows
from dupdash.web.presentation.overview import site_of
from dupdash.web.responses import PersonRequest
from dupdash.web.stored_moodle_health import health_of


@require_safe
def system(request: PersonRequest) -> HttpResponse:
    health = health_of(request)
    context = {
        "checks": presentation.checks(),
        "clusters": presentation.clusters(),
        "queue": presentation.queue(),
        "site": site_of(health),
        "may_delete": health.may_delete,
        "calls": presentation.moodle_calls(),
        "versions": presentation.versions(),
        "failures": rows(presentation.last_failures(), health),
    }
    return render(request, "system/system.html", context)

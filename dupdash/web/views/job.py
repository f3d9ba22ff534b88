"""The page of one job, and the part of it that is polled."""

from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.site import course_url
from dupdash.web.guard import guarded, on_job
from dupdash.web.http import PersonRequest, partial, unchanged
from dupdash.web.presentation.actions import actions
from dupdash.web.presentation.options import taken
from dupdash.web.presentation.outcome import outcome_of
from dupdash.web.presentation.rows import requester_of
from dupdash.web.presentation.status import Status, status_of
from dupdash.web.presentation.story import story
from dupdash.web.site import health_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@guarded
@on_job
@require_safe
def job(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    health = health_of(request)
    status = status_of(job, health)
    context: dict[str, object] = {
        "requester": requester_of(job),
        "taken": taken(job.options),
        "dialogs": True,
        **_status_context(job, status),
        **_rest_context(job, request.user, health),
    }
    return render(request, "jobs/job.html", context)


@guarded
@on_job
@require_safe
def job_status(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """What is polled: nothing where nothing changed, and with a new event the rest of the page, too."""
    health = health_of(request)
    status = status_of(job, health)
    seen = request.GET.get("seen", "")
    if seen == status.seen and status.poll:
        return unchanged()
    context = _status_context(job, status)
    if seen.partition("-")[0] != str(status.version):
        context |= {"rest": True, **_rest_context(job, request.user, health)}
    return partial(request, "jobs/_status.html", context, last=not status.poll)


def _status_context(job: DuplicationJob, status: Status) -> dict[str, object]:
    return {
        "job": job,
        "status": status,
        "status_url": f"{reverse('jobs:status', args=[job.pk])}?seen={status.seen}",
    }


def _rest_context(job: DuplicationJob, user: "User", health: MoodleHealth) -> dict[str, object]:
    """All that changes only when something happened."""
    # Who sees everybody's jobs is there to help, and sees what Moodle said.
    raw = access.sees_all_jobs(user)
    return {
        "source_url": course_url(job.source_id),
        "outcome": outcome_of(job, health, raw=raw),
        "story": story(job.events.select_related("actor"), raw=raw),
        "actions": actions(job, user, health),
        "copy_url": course_url(job.course_id) if job.course_id and job.course_deleted_at is None else "",
    }

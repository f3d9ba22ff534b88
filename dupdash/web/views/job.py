"""Shows the page of one job, the part of the page that browsers poll, and a plain-text summary for tickets."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.accounts.advice_reader import reader_of
from dupdash.duplication.driver_choice import driver_of_job
from dupdash.duplication.models import DuplicationJob, JobEvent, MoodleHealth
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.queue import worker_status
from dupdash.duplication.states import State
from dupdash.notifications.preferences import chosen_zone
from dupdash.web.decorators import part_of, with_job
from dupdash.web.forms.follow_up import FollowUpForm
from dupdash.web.presentation.actions import actions
from dupdash.web.presentation.approval import approval_of
from dupdash.web.presentation.attempts import attempts_of
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.options import summarize
from dupdash.web.presentation.outcome import outcome_of
from dupdash.web.presentation.plugin_report import report_of
from dupdash.web.presentation.requested_settings import settings_in_words
from dupdash.web.presentation.status import Status, status_of
from dupdash.web.presentation.ticket_summary import summary
from dupdash.web.presentation.timeline import timeline
from dupdash.web.presentation.worker_notice import WorkerNotice, needs_worker, worker_notice
from dupdash.web.responses import PersonRequest, no_content, no_store, partial
from dupdash.web.stored_moodle_health import health_of


@with_job
@require_safe
def job(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    health = health_of(request)
    status = status_of(job, health, request.user, _no_worker(request, job))
    context: dict[str, object] = {
        "requester": requester_of(job),
        "approval": approval_of(job),
        "attempts": attempts_of(job),
        "options": summarize(job.options, driver_of_job(job, health)),
        "follow_up": FollowUpForm(job=job)
        if job.state == State.FAILED and access.may(request.user, Action.FOLLOW_UP, job)
        else None,
        "course_settings": settings_in_words(job, driver_of_job(job, health)),
        "dialogs": True,
        "callbacks": job.callbacks.select_related("token"),
        **_status_context(job, status),
        **_rest_context(request, job, health),
    }
    return render(request, "jobs/job.html", context)


@part_of("jobs:job")
@with_job
@require_safe
def job_status(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """Answer a poll of the job page with the new status, or with nothing if the status has not changed.

    After a new event the answer also contains the other parts of the page.
    """
    health = health_of(request)
    status = status_of(job, health, request.user, _no_worker(request, job))
    seen = request.GET.get("seen", "")
    if seen == status.seen and status.poll:
        return no_content()
    context = _status_context(job, status)
    if seen.partition("-")[0] != str(status.version):
        context |= {"rest": True, **_rest_context(request, job, health)}
    return partial(request, "jobs/_status.html", context, last=not status.poll)


@with_job
@require_safe
def job_summary(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """Return the job as plain text, to be pasted into a ticket."""
    text = _summary(request, job, job.events.select_related("actor"), health_of(request))
    return no_store(HttpResponse(text, content_type="text/plain; charset=utf-8"))


def _summary(request: PersonRequest, job: DuplicationJob, events: Iterable[JobEvent], health: MoodleHealth) -> str:
    return summary(
        job,
        events,
        health,
        url=request.build_absolute_uri(reverse("jobs:job", args=[job.pk])),
        zone=chosen_zone(request.user),
        reader=reader_of(job, request.user, may_delete_courses=health.may_delete),
        raw=access.sees_all_jobs(request.user),
    )


def _no_worker(request: PersonRequest, job: DuplicationJob) -> WorkerNotice | None:
    return worker_notice(worker_status.current(), request.user) if needs_worker(job) else None


def _status_context(job: DuplicationJob, status: Status) -> dict[str, object]:
    return {
        "job": job,
        "status": status,
        "status_url": f"{reverse('jobs:status', args=[job.pk])}?seen={status.seen}",
    }


def _rest_context(request: PersonRequest, job: DuplicationJob, health: MoodleHealth) -> dict[str, object]:
    """Return the context of the parts of the page that change only when the job has a new event."""
    user: User = request.user
    events = list(job.events.select_related("actor"))
    # Only administrators and the help desk see Moodle's error messages.
    raw = access.sees_all_jobs(user)
    return {
        "source_url": course_url(job.source_id, health),
        "outcome": outcome_of(job, health, reader_of(job, user, may_delete_courses=health.may_delete), raw=raw),
        "plugin_report": report_of(job, health),
        "timeline": timeline(events, raw=raw),
        "summary": _summary(request, job, events, health),
        "actions": actions(job, user, health),
        "copy_url": course_url(job.course_id, health) if job.course_id and job.course_deleted_at is None else "",
    }

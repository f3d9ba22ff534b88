"""Approves, refuses, cancels, retries or settles a job, or deletes its partial course, each after a confirmation."""

from collections.abc import Callable
from dataclasses import replace

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from dupdash.accounts.access import Action, NotAllowed
from dupdash.accounts.advice_reader import reader_of
from dupdash.duplication import approval_actions, course_decisions, jobs
from dupdash.duplication.driver_choice import driver_of_job
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.name_display import quote_course
from dupdash.duplication.request import InvalidRequest
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.errors import MoodleError
from dupdash.web.decorators import require_safe_or_POST, with_job
from dupdash.web.forms.job_actions import DeleteCandidateForm, ReasonForm, SettleForm
from dupdash.web.presentation.action_questions import question
from dupdash.web.presentation.actions import may_request_again
from dupdash.web.presentation.error_messages import words_of_error, words_of_problems
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.options import summarize
from dupdash.web.presentation.outcome import outcome_of
from dupdash.web.responses import PersonRequest, see_other
from dupdash.web.stored_moodle_health import health_of
from dupdash.web.undo import UNDO_FOR, offer_undo

# The confirmations of these actions show the courses that may be the copy, with the reasons.
ABOUT_A_COURSE = (Action.SETTLE, Action.DELETE_PARTIAL)


@with_job
@require_safe_or_POST
def approve(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    return _ask_or_do(
        request, job, Action.APPROVE, lambda: approval_actions.approve(job, actor=request.user, hold=UNDO_FOR)
    )


@with_job
@require_POST
def undo_approval(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """Undo an approval, which is possible for UNDO_FOR. A message says that it was undone, or why not."""
    try:
        approval_actions.undo_approval(job, actor=request.user)
        messages.success(request, f"{quote_course(job.fullname, job.shortname)} waits for approval again.")
    except CannotDo as refusal:
        messages.error(request, str(refusal))
    return see_other("approvals")


@with_job
@require_safe_or_POST
def reject(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    form = ReasonForm(request.POST or None)
    return _ask_or_do(
        request,
        job,
        Action.REJECT,
        lambda: approval_actions.reject(job, reason=form.cleaned_data["reason"], actor=request.user),
        form,
    )


@with_job
@require_safe_or_POST
def cancel(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    return _ask_or_do(request, job, Action.CANCEL, lambda: jobs.cancel(job, actor=request.user))


@with_job
@require_safe_or_POST
def retry(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    def try_again() -> DuplicationJob:
        with open_client() as client:
            return jobs.retry(job, actor=request.user, client=client)

    return _ask_or_do(request, job, Action.RETRY, try_again)


@with_job
@require_safe_or_POST
def delete_partial(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    form = DeleteCandidateForm(request.POST or None, job=job) if job.may_have_left_course else None

    def delete() -> None:
        chosen = int(form.cleaned_data["course"]) if form is not None else None
        with open_client() as client:
            course_decisions.delete_partial(job, actor=request.user, client=client, course_id=chosen)

    return _ask_or_do(request, job, Action.DELETE_PARTIAL, delete, form)


@with_job
@require_safe_or_POST
def settle(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    form = SettleForm(request.POST or None, job=job)

    def settle_it() -> None:
        with open_client() as client:
            course_decisions.settle(
                job,
                course_id=form.course_settled,
                reason=form.cleaned_data["reason"],
                actor=request.user,
                client=client,
            )

    return _ask_or_do(request, job, Action.SETTLE, settle_it, form)


def _ask_or_do(
    request: PersonRequest,
    job: DuplicationJob,
    verb: Action,
    do: Callable[[], DuplicationJob | None],
    form: forms.Form | None = None,
) -> HttpResponse:
    """Ask for confirmation (GET), or run the action (POST).

    Then redirect to the job, or to the new job after a retry. If the action is refused, show the reason.
    """
    asked = question(verb, job)
    if request.method != "POST" or (form is not None and not form.is_valid()):
        return _question(request, job, verb, form, status=422 if request.method == "POST" else 200)
    refusal = ""
    new_job = None
    try:
        new_job = do()
    except InvalidRequest as invalid:
        refusal = words_of_problems(invalid.problems, request.user)
    except MoodleError as error:
        refusal = words_of_error(error, request.user)
    except (CannotDo, NotAllowed) as error:
        refusal = str(error)
    if refusal:
        job.refresh_from_db()
        return _question(request, job, verb, form, refusal=refusal, status=409)
    if verb == Action.APPROVE:
        offer_undo(request, asked.done, reverse("jobs:undo_approval", args=[job.pk]), within=UNDO_FOR)
    else:
        messages.success(request, asked.done)
    if verb == Action.APPROVE and request.POST.get("back") == "approvals":
        return see_other("approvals")
    return see_other("jobs:job", (new_job or job).pk)


def _question(
    request: PersonRequest,
    job: DuplicationJob,
    verb: Action,
    form: forms.Form | None,
    *,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    user: User = request.user
    health = health_of(request)
    asked = question(verb, job)
    if refusal == asked.text:
        # The refusal already says this, so the page does not repeat it.
        asked = replace(asked, text="")
    may_edit = verb == Action.RETRY and not jobs.why_no_retry(job) and may_request_again(job, user)
    context = {
        "job": job,
        "question": asked,
        "form": form,
        "refusal": refusal,
        "edit_url": f"{reverse('jobs:request')}?from={job.pk}" if may_edit else "",
        "deciding": verb in (Action.APPROVE, Action.REJECT),
        "requester": requester_of(job),
        "options": summarize(job.options, driver_of_job(job, health)),
        "outcome": outcome_of(job, health, reader_of(job, user, may_delete_courses=health.may_delete), raw=True)
        if verb in ABOUT_A_COURSE
        else None,
    }
    return render(request, "jobs/question.html", context, status=status)

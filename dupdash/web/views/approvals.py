"""The requests that wait for a decision: one by one or several at once, as they are or with changes."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from dupdash.accounts.access import Action
from dupdash.duplication import jobs
from dupdash.duplication.display_names import name_of
from dupdash.duplication.jobs import CannotDo
from dupdash.duplication.models import DuplicationJob, JobQuerySet, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.moodle_health import driver_of_job, expected_driver
from dupdash.duplication.request import Draft, InvalidRequest, as_id, prepare
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import isolate, quote_course
from dupdash.moodle.errors import MoodleError
from dupdash.notifications.preferences import chosen_zone
from dupdash.web import category_picker
from dupdash.web.converters import JobId
from dupdash.web.decorators import permission_required, with_job
from dupdash.web.forms.job_actions import ReasonForm
from dupdash.web.forms.request import RequestForm, to_edit
from dupdash.web.health_of_request import health_of
from dupdash.web.presentation.approvals import Look, look_at, people_data, waiting
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.options import switches, taken
from dupdash.web.responses import PersonRequest, partial, see_other

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# On one page; each is a screen of its own on a phone.
PAGE = 10
AT_ONCE = 100
VERBS = {"approve": Action.APPROVE, "refuse": Action.REJECT}

_AN_ID = re.compile(JobId.regex)


@permission_required
@require_safe
def approvals(request: PersonRequest) -> HttpResponse:
    """The queue, longest waiting first. With ``look`` Moodle is asked at once: without scripts nothing asks later."""
    page = Paginator(_queue(), PAGE).get_page(request.GET.get("page"))
    looks = _looks(page.object_list) if "look" in request.GET else {}
    context = {
        "page": page,
        "waiting": [waiting(job, health_of(request), looks.get(job.pk)) for job in page.object_list],
        "previous_url": f"?page={page.previous_page_number()}" if page.has_previous() else None,
        "next_url": f"?page={page.next_page_number()}" if page.has_next() else None,
    }
    return render(request, "approvals/approvals.html", context)


@permission_required
@with_job
@require_safe
def look(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """What the Moodle says of a waiting request now."""
    try:
        with open_client() as client:
            found = look_at(job, client)
    except MoodleError as error:
        found = Look(trouble=str(error))
    return partial(request, "approvals/_moodle_check.html", {"job": job, "look": found})


@permission_required
@require_http_methods(["GET", "HEAD", "POST"])
def approvals_decide(request: PersonRequest) -> HttpResponse:
    """Ask whether these shall be approved or refused; and do it, each on its own."""
    given = request.POST if request.method == "POST" else request.GET
    verb = VERBS.get(given.get("verb", ""))
    ids = [text for text in given.getlist("job") if _AN_ID.fullmatch(text)][:AT_ONCE]
    if verb is None or not ids:
        messages.info(request, "No request was chosen. Tick the requests first, then choose what to do with them.")
        return see_other("approvals")
    chosen = DuplicationJob.objects.filter(pk__in=ids).select_related("requester").order_by("created_at", "id")
    form = ReasonForm(request.POST or None) if verb == Action.REJECT else None
    if request.method == "POST" and (form is None or form.is_valid()):
        reason = form.cleaned_data["reason"] if form else ""
        _decide(request, list(chosen), verb, reason)
        return see_other("approvals")
    return _question(request, list(chosen.filter(state=State.AWAITING_APPROVAL)), given["verb"], form)


@permission_required
@with_job
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """The request form, filled in with what waits: changed, it is approved in the same breath."""
    if job.state != State.AWAITING_APPROVAL:
        messages.info(request, f"This job is {job.get_state_display().lower()} by now; it cannot be changed any more.")
        return see_other("jobs:job", job.pk)
    if request.method != "POST":
        form = RequestForm(initial=to_edit(job, chosen_zone(request.user)), user=request.user)
        return _edit_page(request, form, job)
    form = RequestForm(request.POST, user=request.user, start=job.not_before)
    if words := _approve_changed(form, job, request.user):
        messages.success(request, words)
        return see_other("approvals")
    return _edit_page(request, form, job, status=422)


def _queue() -> JobQuerySet:
    waits = DuplicationJob.objects.filter(state=State.AWAITING_APPROVAL)
    return waits.select_related("requester").order_by("created_at", "id")


def _looks(shown: Iterable[DuplicationJob]) -> dict[str, Look]:
    try:
        with open_client() as client:
            return {job.pk: look_at(job, client) for job in shown}
    except MoodleError as error:
        return {job.pk: Look(trouble=str(error)) for job in shown}


def _decide(request: PersonRequest, chosen: list[DuplicationJob], verb: Action, reason: str) -> None:
    """One after the other; each that somebody else was quicker with is named."""
    act: Callable[[DuplicationJob], None]
    if verb == Action.APPROVE:
        word, act = "approved", lambda job: jobs.approve(job, actor=request.user)
    else:
        word, act = "refused", lambda job: jobs.reject(job, reason=reason, actor=request.user)
    done, left = 0, []
    for job in chosen:
        try:
            act(job)
            done += 1
        except CannotDo:
            job.refresh_from_db()
            left.append(f"{quote_course(job.fullname, job.shortname)}: {_decided(job)}")
    if done:
        messages.success(request, f"{done} {word}.")
    if left:
        messages.warning(
            request, f"{len(left)} {'was' if len(left) == 1 else 'were'} decided already. {' '.join(left)}"
        )


def _decided(job: DuplicationJob) -> str:
    """Who decided it instead, and how."""
    event = job.events.filter(kind__in=("approved", "rejected", "cancelled")).select_related("actor").last()
    if event is None:
        return f"{job.get_state_display().lower()}."
    word = {"approved": "approved", "rejected": "refused", "cancelled": "cancelled"}[event.kind]
    return f"{word} by {name_of(event.actor)}."


def _question(request: PersonRequest, chosen: list[DuplicationJob], verb: str, form: forms.Form | None) -> HttpResponse:
    if not chosen:
        messages.info(request, "These requests have been decided by now.")
        return see_other("approvals")
    context = {
        "verb": verb,
        "chosen": [{"job": job, "requester": requester_of(job), "people": people_data(job)} for job in chosen],
        "count": len(chosen),
        "with_people": sum(bool(people_data(job)) for job in chosen),
        "form": form,
    }
    return render(request, "approvals/decide.html", context, status=422 if request.method == "POST" else 200)


def _approve_changed(form: RequestForm, job: DuplicationJob, user: "User") -> str:
    """What was done, in words; nothing where something is wrong, which the form then says."""
    form.is_valid()
    try:
        with open_client() as client:
            wish = prepare(_draft_of(form, job), Origin(job.origin), client, ignore_job=job)
            if form.is_valid():
                changed = jobs.edit_and_approve(job, wish, actor=user)
                return f"“{isolate(job.fullname)}” is approved{', as you changed it' if changed else ''}."
    except InvalidRequest as invalid:
        form.add_problems(invalid.problems)
    except CannotDo as refusal:
        form.add_error(None, str(refusal))
    except MoodleError as error:
        form.add_error(None, f"Nothing was changed, and what you typed is kept. {error}")
    return ""


def _draft_of(form: RequestForm, job: DuplicationJob) -> Draft:
    """What was typed; the source is not asked for, and stays what it is."""
    return replace(form.draft(), source=str(job.source_id), by_id=True, note=job.note, idempotency_key="")


def _edit_page(request: PersonRequest, form: RequestForm, job: DuplicationJob, status: int = 200) -> HttpResponse:
    choices = category_picker.CategoryChoices()
    trouble = ""
    try:
        with open_client() as client:
            choices = category_picker.category_choices(
                category_picker.categories(client),
                request.user,
                query=form.value("category_query"),
                selected=as_id(form.value("category")),
            )
    except MoodleError as error:
        trouble = str(error)
    context = {
        "job": job,
        "requester": requester_of(job),
        "taken": taken(job.options, driver_of_job(job, health_of(request))),
        "form": form,
        "categories": choices,
        "trouble": trouble,
        "switch_groups": switches(
            form.chosen_options, request.user, expected_driver(health_of(request), visible=form.is_visible)
        ),
    }
    return render(request, "approvals/edit.html", context, status=status)

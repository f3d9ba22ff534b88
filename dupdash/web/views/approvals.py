"""Shows the requests that wait for approval, and approves or refuses them, alone or together."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dupdash.accounts.access import Action
from dupdash.duplication import approval_actions
from dupdash.duplication.driver_choice import driver_of_job, expected_driver
from dupdash.duplication.models import DuplicationJob, JobQuerySet, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.name_display import isolate, quote_course
from dupdash.duplication.person_names import name_of
from dupdash.duplication.request import Draft, InvalidRequest, prepare, why_no_course_settings
from dupdash.duplication.states import State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.errors import MoodleError
from dupdash.notifications.preferences import chosen_zone
from dupdash.web import kept_form
from dupdash.web.category_picker import CategoryChoices
from dupdash.web.converters import is_job_id
from dupdash.web.decorators import part_of, require_safe_or_POST, with_job
from dupdash.web.form_choices import categories_of
from dupdash.web.forms.job_actions import ReasonForm
from dupdash.web.forms.request import RequestForm, to_edit
from dupdash.web.presentation.job_rows import requester_of
from dupdash.web.presentation.options import summarize, switches
from dupdash.web.presentation.waiting_requests import MoodleCheck, check_in_moodle, people_data, waiting
from dupdash.web.responses import PersonRequest, partial, see_other
from dupdash.web.stored_moodle_health import health_of
from dupdash.web.undo import UNDO_FOR, offer_undo

# The number of requests on one page. One request fills the screen of a phone.
PAGE = 10
DECISIONS_MOST = 100
# If several requests are decided together, the message names this many of them.
NAMED_MOST = 3
VERBS = {"approve": Action.APPROVE, "refuse": Action.REJECT}


@require_safe
def approvals(request: PersonRequest) -> HttpResponse:
    """List the waiting requests, the oldest first.

    With ``?check`` the page also shows the result of checking each request in Moodle. Scripts load these results later.
    """
    page = Paginator(_queue(), PAGE).get_page(request.GET.get("page"))
    checks = _checks(page.object_list) if "check" in request.GET else {}
    context = {
        "page": page,
        "waiting": [waiting(job, health_of(request), checks.get(job.pk)) for job in page.object_list],
        "previous_url": f"?page={page.previous_page_number()}" if page.has_previous() else None,
        "next_url": f"?page={page.next_page_number()}" if page.has_next() else None,
    }
    return render(request, "approvals/approvals.html", context)


@part_of("jobs:job")
@with_job
@require_safe
def moodle_check(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """Check the source and the short name of a waiting request in Moodle, and show the result."""
    try:
        with open_client() as client:
            found = check_in_moodle(job, client)
    except MoodleError as error:
        found = MoodleCheck(trouble=str(error))
    return partial(request, "approvals/_moodle_check.html", {"job": job, "moodle_check": found})


@require_safe_or_POST
def approvals_decide(request: PersonRequest) -> HttpResponse:
    """Approve or refuse the selected requests (POST), or show a confirmation that names them (GET)."""
    given = request.POST if request.method == "POST" else request.GET
    verb = VERBS.get(given.get("verb", ""))
    ids = [text for text in given.getlist("job") if is_job_id(text)][:DECISIONS_MOST]
    if verb is None or not ids:
        messages.info(request, "No request was selected. Select requests first, then approve or refuse them.")
        return see_other("approvals")
    chosen = DuplicationJob.objects.filter(pk__in=ids).select_related("requester").order_by("created_at", "id")
    form = ReasonForm(request.POST or None) if verb == Action.REJECT else None
    if request.method == "POST" and (form is None or form.is_valid()):
        reason = form.cleaned_data["reason"] if form else ""
        _decide(request, list(chosen), verb, reason)
        return see_other("approvals")
    return _question(request, list(chosen.filter(state=State.AWAITING_APPROVAL)), given["verb"], form)


@with_job
@require_safe_or_POST
def edit(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """Show the request form, filled in with a waiting request. Sending the form changes and approves the request."""
    if job.state != State.AWAITING_APPROVAL:
        messages.info(request, f"This job is {job.get_state_display().lower()} now and can no longer be changed.")
        return see_other("jobs:job", job.pk)
    if request.method != "POST":
        return _edit_page(request, _form_to_begin_with(request, job), job)
    form = RequestForm(request.POST, user=request.user, start=job.not_before)
    if words := _approve_changed(form, job, request.user):
        messages.success(request, words)
        return see_other("approvals")
    return _edit_page(request, form, job, status=422)


def _form_to_begin_with(request: PersonRequest, job: DuplicationJob) -> RequestForm:
    """Return the form with the input that was kept when the session ended, or else with the data of the request."""
    kept = kept_form.take(request, request.user)
    if kept is None:
        return RequestForm(initial=to_edit(job, chosen_zone(request.user)), user=request.user)
    messages.info(request, "You are signed in again. What you typed was kept, and nothing was approved yet.")
    return RequestForm(initial=RequestForm(kept, user=request.user).typed(), user=request.user)


def _queue() -> JobQuerySet:
    waits = DuplicationJob.objects.filter(state=State.AWAITING_APPROVAL)
    return waits.select_related("requester").order_by("created_at", "id")


def _checks(shown: Iterable[DuplicationJob]) -> dict[str, MoodleCheck]:
    try:
        with open_client() as client:
            return {job.pk: check_in_moodle(job, client) for job in shown}
    except MoodleError as error:
        return {job.pk: MoodleCheck(trouble=str(error)) for job in shown}


def _decide(request: PersonRequest, chosen: list[DuplicationJob], verb: Action, reason: str) -> None:
    """Approve or refuse each request. A message names the requests that somebody else decided in the meantime."""
    act: Callable[[DuplicationJob], None]
    if verb == Action.APPROVE:
        word, act = "approved", lambda job: approval_actions.approve(job, actor=request.user, hold=UNDO_FOR)
    else:
        word, act = "refused", lambda job: approval_actions.reject(job, reason=reason, actor=request.user)
    done: list[DuplicationJob] = []
    left = []
    for job in chosen:
        try:
            act(job)
            done.append(job)
        except CannotDo:
            job.refresh_from_db()
            left.append(f"{quote_course(job.fullname, job.shortname)}: {_decided(job)}")
    if done:
        _report(request, done, verb, word)
    if left:
        messages.warning(request, f"Somebody else already decided: {' '.join(left)}")


def _report(request: PersonRequest, done: list[DuplicationJob], verb: Action, word: str) -> None:
    """Show a message that names the decided requests. After an approval, the message offers to undo it.

    ``word``: the decision as a participle, "approved" or "refused".
    """
    names = ", ".join(quote_course(job.fullname, job.shortname) for job in done[:NAMED_MOST])
    more = f" and {len(done) - NAMED_MOST} more" if len(done) > NAMED_MOST else ""
    words = f"{names}{more} {'is' if len(done) == 1 else 'are'} {word}."
    if verb == Action.APPROVE:
        ids = " ".join(job.pk for job in done)
        offer_undo(request, words, reverse("undo_approvals"), {"jobs": ids}, within=UNDO_FOR)
    else:
        messages.success(request, words)


@require_POST
def undo_approvals(request: PersonRequest) -> HttpResponse:
    """Undo several approvals that were made together."""
    ids = [text for text in request.POST.get("jobs", "").split() if is_job_id(text)][:DECISIONS_MOST]
    undone = late = 0
    for job in DuplicationJob.objects.filter(pk__in=ids):
        try:
            approval_actions.undo_approval(job, actor=request.user)
            undone += 1
        except CannotDo:
            late += 1
    if undone:
        wait = "request waits" if undone == 1 else "requests wait"
        messages.success(request, f"Undone: {undone} {wait} for approval again.")
    if late:
        messages.error(request, f"It was too late to undo {late} approval{'s' if late > 1 else ''}.")
    return see_other("approvals")


def _decided(job: DuplicationJob) -> str:
    """Return how a request was decided, and by whom, such as "approved by Ada Admin."."""
    event = job.events.filter(kind__in=("approved", "rejected", "cancelled")).select_related("actor").last()
    if event is None:
        return f"{job.get_state_display().lower()}."
    word = {"approved": "approved", "rejected": "refused", "cancelled": "cancelled"}[event.kind]
    return f"{word} by {name_of(event.actor)}."


def _question(request: PersonRequest, chosen: list[DuplicationJob], verb: str, form: forms.Form | None) -> HttpResponse:
    if not chosen:
        messages.info(request, "Somebody else has already decided these requests.")
        return see_other("approvals")
    context = {
        "verb": verb,
        "danger": verb == "refuse",
        "keep": "Don’t approve" if verb == "approve" else "Don’t refuse",
        "confirm": f"{verb.capitalize()}{f' {len(chosen)} copies' if len(chosen) != 1 else ''}",
        "chosen": [{"job": job, "requester": requester_of(job), "people": people_data(job)} for job in chosen],
        "count": len(chosen),
        "with_people": sum(bool(people_data(job)) for job in chosen),
        "form": form,
    }
    return render(request, "approvals/decide.html", context, status=422 if request.method == "POST" else 200)


def _approve_changed(form: RequestForm, job: DuplicationJob, user: User) -> str:
    """Change and approve the request. Returns the message, or "" if the form now has errors to show."""
    form.is_valid()
    try:
        with open_client() as client:
            wish = prepare(_draft_of(form, job), Origin(job.origin), client, ignore_job=job)
            if form.is_valid():
                changed = approval_actions.edit_and_approve(job, wish, actor=user)
                return f"“{isolate(job.fullname)}” is approved{' with your changes' if changed else ''}."
    except InvalidRequest as invalid:
        form.add_problems(invalid.problems)
    except CannotDo as refusal:
        form.add_error(None, str(refusal))
    except MoodleError as error:
        form.add_error(None, f"Nothing was changed, and what you typed is kept. {error}")
    return ""


def _draft_of(form: RequestForm, job: DuplicationJob) -> Draft:
    """Return the input of the form as a draft, with the unchanged source and note of the job."""
    return replace(form.draft(), source=str(job.source_id), by_id=True, note=job.note, idempotency_key="")


def _edit_page(request: PersonRequest, form: RequestForm, job: DuplicationJob, status: int = 200) -> HttpResponse:
    choices = CategoryChoices()
    health = health_of(request)
    trouble = ""
    try:
        with open_client() as client:
            choices = categories_of(form, request.user, client)
    except MoodleError as error:
        trouble = str(error)
    context = {
        "job": job,
        "owner": kept_form.owner_mark(request.user),
        "requester": requester_of(job),
        "options": summarize(job.options, driver_of_job(job, health)),
        "form": form,
        "categories": choices,
        "trouble": trouble,
        "switch_groups": switches(form.chosen_options, request.user, expected_driver(health, visible=form.is_visible)),
        "no_course_settings": why_no_course_settings(health, visible=form.is_visible),
    }
    return render(request, "approvals/edit.html", context, status=status)

"""Shows the request form, and creates a job from the submitted form."""

from dataclasses import dataclass, replace

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed, NotTaught
from dupdash.duplication import idempotency, jobs
from dupdash.duplication.driver_choice import expected_driver
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.name_display import isolate
from dupdash.duplication.request import Draft, InvalidRequest, as_id, find_source, prepare, why_no_course_settings
from dupdash.duplication.states import State
from dupdash.moodle.errors import MoodleError
from dupdash.web import kept_form
from dupdash.web.converters import is_job_id
from dupdash.web.date_fields import day_in
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.earlier_copies import Target, earlier_copies
from dupdash.web.form_choices import form_choices
from dupdash.web.forms.request import RequestForm, filled_in
from dupdash.web.models import OptionPreset
from dupdash.web.presentation.action_questions import question
from dupdash.web.presentation.actions import may_request_again
from dupdash.web.presentation.error_messages import words_of_error
from dupdash.web.presentation.options import switches, why_disabled
from dupdash.web.presentation.preview import Preview
from dupdash.web.responses import PersonRequest, see_other
from dupdash.web.short_names import is_free
from dupdash.web.stored_moodle_health import health_of
from dupdash.web.views.request_parts import free_name, preview_for

# Buttons that reload the form without checking it, for browsers without scripts.
COMES_BACK = frozenset({"find", "preview", "use_names", "use_preset", "use_start"})
# If a new request starts from a job in one of these states, it is a retry: the new job names the old one.
STARTS_A_RETRY = frozenset({State.FAILED, State.CANCELLED, State.REJECTED})

# Describes how a job ended, for the message about a form that is sent again.
ENDED = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "was cancelled",
    State.REJECTED: "was refused",
}

COPIED_ALREADY = "This course was already copied to this term. To go on, tick “Make another copy” below."


@dataclass(frozen=True)
class Submitted:
    """The job that a submitted form requested, and the message to show above that job."""

    job: DuplicationJob
    words: str
    level: int = messages.SUCCESS


@require_safe_or_POST
def request_copy(request: PersonRequest) -> HttpResponse:
    before = _job_to_start_from(request)
    if before is not None and jobs.why_no_new_request(before):
        return _not_again(request, before)
    if request.method != "POST":
        return _first_page(request, before)
    form = RequestForm(request.POST, user=request.user)
    if not COMES_BACK.isdisjoint(request.POST):
        return _come_back(request, form, before)
    submitted = _submit(form, request.user, before)
    if submitted is not None:
        messages.add_message(request, submitted.level, submitted.words)
        return see_other("jobs:job", submitted.job.pk)
    return _page(request, form, before, status=422, shown=_preview_of_errors(request, form))


def _first_page(request: PersonRequest, before: DuplicationJob | None) -> HttpResponse:
    """Show the form for the first time.

    It has the input that was kept when the session ended, or else the data of an earlier job, or else no input.
    """
    kept = kept_form.take(request, request.user)
    if kept is not None:
        messages.info(request, "You are signed in again. Your input was kept, and nothing was sent yet.")
        typed = RequestForm(kept, user=request.user).typed()
        return _page(request, RequestForm(initial=typed, user=request.user), before)
    initial = filled_in(before) if before else {"source": request.GET.get("source", "")}
    shown = None
    if before is not None and before.state == State.SUCCEEDED:
        shown, names = _free_names(request, before)
        initial |= names
    return _page(request, RequestForm(initial=initial, user=request.user), before, shown=shown)


def _free_names(request: PersonRequest, before: DuplicationJob) -> tuple[Preview | None, dict[str, str]]:
    """Return the preview that suggests names for another copy like ``before``, and these names as form values.

    Returns None and no names if the short name of ``before`` is free, or if Moodle does not answer.
    """
    try:
        with open_client() as client:
            if is_free(before.shortname, client):
                return None, {}
    except MoodleError:
        return None, {}
    target = Target(before.category_id, visible=before.visible, startdate=before.startdate, enddate=before.enddate)
    shown = preview_for(before.source_id, before.options, target, request)
    names = shown.names
    return shown, {"fullname": names.fullname if names else "", "shortname": names.shortname if names else ""}


def _come_back(request: PersonRequest, form: RequestForm, before: DuplicationJob | None) -> HttpResponse:
    """Do what a button such as "Use these names" says, and show the form again with all input."""
    typed = form.typed()
    if "use_preset" in request.POST:
        number = as_id(request.POST["use_preset"])
        preset = OptionPreset.objects.filter(pk=number).first() if number is not None else None
        if preset is not None:
            typed["options"] = preset.values
            messages.info(request, f"The options are set as in “{isolate(preset.name)}”. Nothing was sent yet.")
    source = as_id(form.value("source"))
    shown = preview_for(source, typed["options"], form.target(), request) if source else None
    if shown is not None and typed["visible_for"] != str(source):
        # The source has changed. If the new source is hidden, the form starts with a hidden copy.
        typed |= {"visible": typed["visible"] and not shown.source_hidden, "visible_for": str(source)}
    if day := day_in(request.POST.get("use_start", "")):
        typed |= {"startdate": day}
    if "use_names" in request.POST and shown is not None and shown.names is not None:
        typed |= {"fullname": shown.names.fullname, "shortname": shown.names.shortname}
    if shown is not None and shown.target.category_is_suggested and shown.target.category_id is not None:
        typed |= {"category": shown.target.category_id, "suggested_category": shown.target.category_id}
    return _page(request, RequestForm(initial=typed, user=request.user), before, shown=shown)


def _preview_of_errors(request: PersonRequest, form: RequestForm) -> Preview | None:
    """Return the preview if an error refers to it. Returns None otherwise: the page loads the preview later."""
    source = as_id(form.value("source"))
    if source is None or "again" not in form.errors:
        return None
    return preview_for(source, form.chosen_options, form.target(), request)


def _job_to_start_from(request: PersonRequest) -> DuplicationJob | None:
    """Return the job of ``?from=``, or None without the parameter.

    Raises Http404 for a job that this person may not see or request again.
    """
    job_id = request.GET.get("from")
    if not job_id:
        return None
    known = access.visible_jobs(request.user).filter(pk=job_id) if is_job_id(job_id) else ()
    askable = [job for job in known if may_request_again(job, request.user)]
    return askable[0] if askable else get_object_or_404(DuplicationJob.objects.none())


def _not_again(request: PersonRequest, before: DuplicationJob) -> HttpResponse:
    """Show a page that says why this job cannot be requested again."""
    context = {"job": before, "question": question(Action.RETRY, before)}
    return render(request, "jobs/question.html", context, status=409)


def _submit(form: RequestForm, user: User, before: DuplicationJob | None) -> Submitted | None:
    """Create the job, and return it with its message. Returns None if the form now has errors to show."""
    form.is_valid()
    try:
        return _send(form, user, before)
    except InvalidRequest as invalid:
        form.add_problems(invalid.problems)
        for problem in invalid.problems:
            form.free_shortname = form.free_shortname or free_name(form.value("shortname"), problem)
    except NotTaught as refusal:
        form.add_error("source", str(refusal))
    except NotAllowed as refusal:
        form.add_error(None, str(refusal))
    except MoodleError as error:
        # A callout above the form explains the problem. This message says that the input is kept.
        form.add_error(None, f"Nothing was sent, and your input is kept. {words_of_error(error, user)}")
    return None


def _send(form: RequestForm, user: User, before: DuplicationJob | None) -> Submitted | None:
    earlier, draft = _sent_before(form.draft(), user)
    if earlier is not None:
        return _known(earlier, form)
    retry_of = before if before is not None and before.state in STARTS_A_RETRY else None
    with open_client() as client:
        try:
            wish = prepare(draft, Origin.FORM, client)
            if not form.is_valid():
                return None
            if not form.cleaned_data["again"] and earlier_copies(wish.source_id, form.target(), user).copies:
                form.add_error("again", COPIED_ALREADY)
                return None
            job = jobs.submit(wish, actor=user, client=client, retry_of=retry_of)
            return Submitted(job, _thanks(job))
        except InvalidRequest:
            # The same form may have been sent twice at once, and the other request was faster.
            earlier, _ = _sent_before(draft, user)
            if earlier is not None:
                return _known(earlier, form)
            # The answer is the same for a course that this person may not copy and for one that does not exist.
            source = find_source(draft.source, client, by_id=draft.by_id)
            access.require_teaching(user, source.id if source else 0, client)
            raise


def _sent_before(draft: Draft, user: User) -> tuple[DuplicationJob | None, Draft]:
    """Return the job that an earlier submission of this form created, or None; and the draft.

    If there is no such job, the draft has an unused idempotency key. After the browser's "back", a person can send one
    form several times: unchanged for the same copy, or changed for another one. The key of another copy is derived from
    the id of the previous job, so that dupdash recognises a repeated submission of it, too. Raises MoodleError if
    Moodle must be asked for the source and does not answer.
    """
    while (job := idempotency.job_with_key(draft.idempotency_key, actor=user)) is not None:
        if idempotency.asks_for(job, draft, _source_id(draft, job)):
            return job, draft
        draft = replace(draft, idempotency_key=f"after {job.pk}")
    return None, draft


def _source_id(draft: Draft, job: DuplicationJob) -> int:
    """Return the id of the draft's source, or 0 if Moodle has no such course.

    Asks Moodle, unless the draft names the source of ``job`` by its id. Raises MoodleError.
    """
    if draft.source.strip() == str(job.source_id):
        return job.source_id
    with open_client() as client:
        course = find_source(draft.source, client, by_id=draft.by_id)
    return course.id if course is not None else 0


def _known(earlier: DuplicationJob, form: RequestForm) -> Submitted:
    """Return the job that an earlier submission of this form created, and a message. No new job is created."""
    if earlier.state in ENDED:
        words = f"This copy was already requested and {ENDED[State(earlier.state)]}. It was not requested again."
        return Submitted(earlier, words, messages.INFO)
    draft, start = form.draft(), idempotency.original_request(earlier)["not_before"]
    if not form.is_valid() or (draft.note.strip(), draft.not_before) != (earlier.note, start):
        return Submitted(
            earlier, "This copy was already requested. Its start time and note were not changed.", messages.INFO
        )
    return Submitted(earlier, _thanks(earlier))


def _page(
    request: PersonRequest,
    form: RequestForm,
    before: DuplicationJob | None,
    status: int = 200,
    shown: Preview | None = None,
) -> HttpResponse:
    choices = form_choices(form, before, request.user)
    if not form.is_bound and before is None and choices.found.chosen is not None:
        form.initial.setdefault("visible", choices.found.chosen.visible is not False)
    health = health_of(request)
    groups = switches(form.chosen_options, request.user, expected_driver(health, visible=form.is_visible))
    context = {
        "form": form,
        "owner": kept_form.owner_mark(request.user),
        "before": before,
        "categories": choices.categories,
        "suggested_category": form.value("suggested_category"),
        "found": choices.found,
        "problem": choices.problem,
        "free_name": form.free_shortname,
        "query": form.value("source_query").strip(),
        "selected_source": as_id(form.value("source")),
        "switch_groups": groups,
        "no_course_settings": why_no_course_settings(health, visible=form.is_visible),
        "policy": why_disabled(groups),
        "autofocus": not form.is_bound and as_id(form.value("source")) is None,
        "presets": OptionPreset.objects.all(),
        "may_change_presets": access.is_administrator(request.user),
        "preview": shown,
        "again": bool(form["again"].value()),
        "preview_url": reverse("jobs:preview"),
        # Whether the page must load the preview: a source is chosen, and the preview is not in this answer.
        "load": shown is None and as_id(form.value("source")) is not None,
        "needs_approval": access.needs_approval(request.user),
    }
    return render(request, "jobs/request.html", context, status=status)


def _thanks(job: DuplicationJob) -> str:
    if job.state == State.AWAITING_APPROVAL:
        return "Request received. A course administrator must approve it. You can close this page."
    return "Request received. You can close this page."

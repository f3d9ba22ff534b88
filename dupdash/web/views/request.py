"""Asking for a copy: the form, and what it asks the server while it is filled in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed, NotTaught
from dupdash.duplication import idempotency, jobs
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.moodle_health import expected_driver
from dupdash.duplication.request import (
    Draft,
    InvalidRequest,
    as_id,
    check_short_name,
    find_source,
    held_by_job,
    prepare,
    taken_in_moodle,
)
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import isolate
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.moodle.options import OPTIONS
from dupdash.web import course_picker
from dupdash.web.converters import JobId
from dupdash.web.course_picker import Choice, Found, Node
from dupdash.web.decorators import permission_required
from dupdash.web.earlier_copies import Target, earlier_copies
from dupdash.web.forms.request import RequestForm, filled_in
from dupdash.web.health_of_request import health_of
from dupdash.web.models import OptionPreset
from dupdash.web.presentation.actions import may_ask_again
from dupdash.web.presentation.confirmations import question
from dupdash.web.presentation.error_messages import words_of_error, words_of_problem
from dupdash.web.presentation.options import switches
from dupdash.web.presentation.outcome import Callout
from dupdash.web.presentation.preview import Preview, preview
from dupdash.web.responses import PersonRequest, partial, see_other

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The buttons with which the form comes back without being judged: all that scripts do, done without them.
COMES_BACK = frozenset({"find", "preview", "use_names", "use_preset"})
# A job that ended like this is tried again by asking anew: the new job names it.
TRIED_AGAIN = frozenset({State.FAILED, State.CANCELLED, State.REJECTED})

# How a copy that was asked for before ended.
ENDED = {
    State.SUCCEEDED: "is made",
    State.FAILED: "failed",
    State.CANCELLED: "was cancelled",
    State.REJECTED: "was rejected",
}

COPIED_ALREADY = "This course was already copied to this term. To go on, tick “Make another copy” below."

_AN_ID = re.compile(JobId.regex)


@dataclass
class Surroundings:
    """What the form shows of the Moodle, as far as the Moodle told."""

    nodes: list[Node] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    trouble: Callout | None = None


@dataclass(frozen=True)
class Sent:
    """What came of the form: its job, and what is said above that."""

    job: DuplicationJob
    words: str
    level: int = messages.SUCCESS


@permission_required
@require_http_methods(["GET", "HEAD", "POST"])
def request_copy(request: PersonRequest) -> HttpResponse:
    before = _job_to_start_from(request)
    if before is not None and jobs.why_not_again(before):
        return _not_again(request, before)
    if request.method != "POST":
        initial = filled_in(before) if before else {"source": request.GET.get("source", "")}
        return _page(request, RequestForm(initial=initial, user=request.user), before)
    form = RequestForm(request.POST, user=request.user)
    if not COMES_BACK.isdisjoint(request.POST):
        return _come_back(request, form, before)
    sent = _submit(form, request.user, before)
    if sent is not None:
        messages.add_message(request, sent.level, sent.words)
        return see_other("jobs:job", sent.job.pk)
    return _page(request, form, before, status=422, shown=_preview_of_errors(request, form))


@permission_required
@require_safe
def source_choices(request: PersonRequest) -> HttpResponse:
    """The courses that a search finds, as radios."""
    query, source = request.GET.get("source_query", ""), request.GET.get("source", "")
    around = Surroundings()
    with _told_in(around, request.user), open_client() as client:
        around.found = course_picker.find_source(query, source, request.user, client)
    context = {"found": around.found, "trouble": around.trouble, "query": query.strip(), "selected": as_id(source)}
    return partial(request, "jobs/_source_choices.html", context)


@permission_required
@require_safe
def copy_preview(request: PersonRequest) -> HttpResponse:
    """What will happen with this source and these options; names for the copy come along."""
    source = as_id(request.GET.get("source", ""))
    chosen = {option.name: option.name in request.GET for option in OPTIONS}
    target = Target(
        as_id(request.GET.get("category", "")),
        request.GET.get("shortname", ""),
        request.GET.get("fullname", ""),
        visible="visible" in request.GET,
    )
    context = {
        "preview": _preview(source, chosen, target, request) if source else None,
        "again": "again" in request.GET,
        "preview_url": reverse("jobs:preview"),
        "source": source,
        "with_names": True,
    }
    return partial(request, "jobs/_preview.html", context)


@permission_required
@require_safe
def short_name_check(request: PersonRequest) -> HttpResponse:
    """What there is to say about a short name while it is typed."""
    shortname = request.GET.get("shortname", "")
    if not shortname.strip():
        return _checked(request, "", "")
    problem = next(iter(check_short_name(shortname)), None) or held_by_job(shortname, ignore_job=_edited(request))
    if problem is None:
        try:
            with open_client() as client:
                problem = taken_in_moodle(shortname, client)
        except MoodleError:
            return _checked(request, "warning", "Moodle does not answer just now. It is asked again in the end.")
    if problem is not None:
        return _checked(request, "danger", words_of_problem(problem, request.user))
    return _checked(request, "success", "This short name is free.")


def _checked(request: PersonRequest, level: str, text: str) -> HttpResponse:
    return partial(request, "components/_check.html", {"level": level, "text": text})


def _edited(request: PersonRequest) -> DuplicationJob | None:
    """The waiting job whose wish is being changed: it may keep its own short name."""
    job_id = request.GET.get("job", "")
    if not _AN_ID.fullmatch(job_id):
        return None
    job = access.visible_jobs(request.user).filter(pk=job_id, state=State.AWAITING_APPROVAL).first()
    return job if job is not None and access.may(request.user, Action.APPROVE, job) else None


def _come_back(request: PersonRequest, form: RequestForm, before: DuplicationJob | None) -> HttpResponse:
    """The form with everything typed, and what was asked for by its button."""
    typed = form.typed()
    if "use_preset" in request.POST:
        number = as_id(request.POST["use_preset"])
        preset = OptionPreset.objects.filter(pk=number).first() if number is not None else None
        if preset is not None:
            typed["options"] = {option.name: option.name in preset.on for option in OPTIONS}
            messages.info(request, f"The switches are set as in “{isolate(preset.name)}”. Nothing was sent yet.")
    source = as_id(form.value("source"))
    shown = _preview(source, typed["options"], form.target(), request) if source else None
    if shown is not None and typed["visible_for"] != str(source):
        # Another source was chosen: the copy of a hidden one starts hidden.
        typed |= {"visible": typed["visible"] and not shown.source_hidden, "visible_for": str(source)}
    if "use_names" in request.POST and shown is not None and shown.names is not None:
        typed |= vars(shown.names)
    return _page(request, RequestForm(initial=typed, user=request.user), before, shown=shown)


def _preview_of_errors(request: PersonRequest, form: RequestForm) -> Preview | None:
    """The preview where it holds what an error speaks of; else the page asks for it later."""
    source = as_id(form.value("source"))
    if source is None or "again" not in form.errors:
        return None
    return _preview(source, form.chosen_options, form.target(), request)


def _preview(source: int, chosen: dict[str, bool], target: Target, request: PersonRequest) -> Preview:
    try:
        with open_client() as client:
            return preview(source, chosen, target, request.user, client, health_of(request))
    except MoodleError as error:
        return Preview(trouble=str(error))


def _job_to_start_from(request: PersonRequest) -> DuplicationJob | None:
    """The job of ``?from=``; 404 for one that this person may not ask again for, or does not know."""
    job_id = request.GET.get("from")
    if not job_id:
        return None
    known = access.visible_jobs(request.user).filter(pk=job_id) if _AN_ID.fullmatch(job_id) else ()
    askable = [job for job in known if may_ask_again(job, request.user)]
    return askable[0] if askable else get_object_or_404(DuplicationJob.objects.none())


def _not_again(request: PersonRequest, before: DuplicationJob) -> HttpResponse:
    """Why the form cannot be filled in with this job, on the page that says so of trying it again."""
    context = {"job": before, "question": question(Action.RETRY, before)}
    return render(request, "jobs/question.html", context, status=409)


def _submit(form: RequestForm, user: "User", before: DuplicationJob | None) -> Sent | None:
    """What came of the form; None where something is wrong, which the form then says."""
    form.is_valid()
    try:
        return _send(form, user, before)
    except InvalidRequest as invalid:
        form.add_problems(invalid.problems)
    except NotTaught as refusal:
        form.add_error("source", str(refusal))
    except NotAllowed as refusal:
        form.add_error(None, str(refusal))
    except MoodleError as error:
        # What is wrong with the Moodle is said above the form; here only what it means for what was typed.
        form.add_error(None, f"Nothing was sent, and what you typed is kept. {words_of_error(error, user)}")
    return None


def _send(form: RequestForm, user: "User", before: DuplicationJob | None) -> Sent | None:
    twin, draft = _sent_before(form.draft(), user)
    if twin is not None:
        return _known(twin, form)
    retry_of = before if before is not None and before.state in TRIED_AGAIN else None
    with open_client() as client:
        try:
            wish = prepare(draft, Origin.FORM, client)
            if not form.is_valid():
                return None
            if not form.cleaned_data["again"] and earlier_copies(wish.source_id, form.target(), user).copies:
                form.add_error("again", COPIED_ALREADY)
                return None
            job = jobs.submit(wish, actor=user, client=client, retry_of=retry_of)
            return Sent(job, _thanks(job))
        except InvalidRequest:
            # The same form, sent twice at once: the other one may have been a little quicker.
            twin, _ = _sent_before(draft, user)
            if twin is not None:
                return _known(twin, form)
            # Says the same of a course of somebody else and of one that does not exist.
            source = find_source(draft.source, client, by_id=draft.by_id)
            access.require_teaching(user, source.id if source else 0, client)
            raise


def _sent_before(draft: Draft, user: "User") -> tuple[DuplicationJob | None, Draft]:
    """The job that was made of this form, where there is one; and the draft with a key that no other job has.

    The browser's "back" brings the same form again, for the same copy or for another. Each further copy has a key made
    of the job before it, and not a new one: so that whichever answer was lost, what is sent again finds its own job.
    Raises MoodleError where it must be asked of Moodle which source is meant.
    """
    while (job := idempotency.job_with_key(draft.idempotency_key, actor=user)) is not None:
        if idempotency.asks_for(job, draft, _source_id(draft, job)):
            return job, draft
        draft = replace(draft, idempotency_key=f"after {job.pk}")
    return None, draft


def _source_id(draft: Draft, job: DuplicationJob) -> int:
    """The id of the source that was typed or chosen; 0 for none. The one of the job is known without asking."""
    if draft.source.strip() == str(job.source_id):
        return job.source_id
    with open_client() as client:
        course = find_source(draft.source, client, by_id=draft.by_id)
    return course.id if course is not None else 0


def _known(twin: DuplicationJob, form: RequestForm) -> Sent:
    """The answer to a form that was sent already: nothing is sent twice, however the first went."""
    if twin.state in ENDED:
        words = f"This copy was asked for already, and {ENDED[State(twin.state)]}. It was not asked for again."
        return Sent(twin, words, messages.INFO)
    draft, start = form.draft(), idempotency.original_request(twin)["not_before"]
    if not form.is_valid() or (draft.note.strip(), draft.not_before) != (twin.note, start):
        return Sent(twin, "This was asked for already; start and note are as they were.", messages.INFO)
    return Sent(twin, _thanks(twin))


def _page(
    request: PersonRequest,
    form: RequestForm,
    before: DuplicationJob | None,
    status: int = 200,
    shown: Preview | None = None,
) -> HttpResponse:
    around = _surroundings(form, before, request.user)
    if not form.is_bound and before is None and around.found.chosen is not None:
        form.initial.setdefault("visible", around.found.chosen.visible is not False)
    context = {
        "form": form,
        "before": before,
        "nodes": around.nodes,
        "found": around.found,
        "trouble": around.trouble,
        "query": form.value("source_query").strip(),
        "selected_source": as_id(form.value("source")),
        "selected_category": as_id(form.value("category")),
        "switch_groups": switches(
            form.chosen_options, request.user, expected_driver(health_of(request), visible=form.is_visible)
        ),
        "presets": OptionPreset.objects.all(),
        "may_change_presets": access.is_administrator(request.user),
        "preview": shown,
        "again": bool(form["again"].value()),
        "preview_url": reverse("jobs:preview"),
        # A source is chosen already, and nobody has asked about it yet.
        "load": shown is None and as_id(form.value("source")) is not None,
        "needs_approval": access.needs_approval(request.user),
    }
    return render(request, "jobs/request.html", context, status=status)


def _surroundings(form: RequestForm, before: DuplicationJob | None, user: "User") -> Surroundings:
    around = Surroundings()
    source = form.value("source")
    if before is not None and source == str(before.source_id):
        # Known without asking: shown even while Moodle does not answer.
        id_line = f"id {before.source_id}"
        around.found = Found(chosen=Choice(before.source_id, before.source_fullname, before.source_shortname, id_line))
    with _told_in(around, user), open_client() as client:
        around.nodes = course_picker.tree(course_picker.categories(client), user)
        around.found = course_picker.find_source(form.value("source_query"), source, user, client)
    return around


@contextmanager
def _told_in(around: Surroundings, user: "User | None" = None) -> Iterator[None]:
    """A Moodle that does not answer costs the page a part of what it shows, and is said on it."""
    try:
        yield
    except NotAllowed as refusal:
        around.trouble = Callout("warning", "Your courses cannot be found in Moodle.", str(refusal))
    except ConfigurationFault as fault:
        around.trouble = Callout(
            "danger",
            "No copy can be asked for at the moment.",
            fault.message if access.is_administrator(user) else "The connection to Moodle has to be put right first.",
            fault.advice if access.is_administrator(user) else "Tell a course administrator, and try again later.",
        )
    except MoodleError as error:
        around.trouble = Callout(
            "warning",
            "Moodle does not answer at the moment.",
            f"{error} Courses and categories cannot be shown.",
            "Reload the page in a moment. What you have typed is kept when you send it.",
        )


def _thanks(job: DuplicationJob) -> str:
    if job.state == State.AWAITING_APPROVAL:
        return "Asked for. A course administrator decides about it; you can leave this page."
    return "Asked for. This page shows how it goes on; you can leave it."

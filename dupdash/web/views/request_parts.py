"""Answers the request form while a person fills it in: found courses, categories, the preview, the name check."""

from collections.abc import Mapping

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import Problem, as_id, check_short_name, reserved_by_job, taken_in_moodle
from dupdash.duplication.states import State
from dupdash.moodle.errors import MoodleError
from dupdash.web import category_picker, course_picker
from dupdash.web.category_picker import CategoryChoices
from dupdash.web.converters import is_job_id
from dupdash.web.decorators import part_of
from dupdash.web.earlier_copies import Target
from dupdash.web.form_choices import FormChoices, problems_shown
from dupdash.web.forms.request import RequestForm
from dupdash.web.presentation.error_messages import words_of_problem
from dupdash.web.presentation.preview import Preview, preview
from dupdash.web.responses import PersonRequest, partial
from dupdash.web.short_names import free_variant
from dupdash.web.stored_moodle_health import health_of

NO_CATEGORIES = "The categories could not be loaded from Moodle. Try again in a moment."


@part_of("jobs:request")
@require_safe
def source_choices(request: PersonRequest) -> HttpResponse:
    """Show the courses that a search finds, as radio buttons."""
    query, source = request.GET.get("source_query", ""), request.GET.get("source", "")
    choices = FormChoices()
    with problems_shown(choices, request.user), open_client() as client:
        choices.found = course_picker.Found(
            chosen=course_picker.remembered_choice(source, request.user, client.site_url)
        )
        choices.found = course_picker.search_sources(query, source, request.user, client)
    context = {"found": choices.found, "problem": choices.problem, "query": query.strip(), "selected": as_id(source)}
    return partial(request, "jobs/_source_choices.html", context)


@part_of("jobs:request")
@require_safe
def category_choices(request: PersonRequest) -> HttpResponse:
    """Show the categories that the filter finds, or the tree of categories without a filter.

    With ``?under=`` show only the subcategories of that category.
    """
    selected = as_id(request.GET.get("category", ""))
    under = as_id(request.GET.get("under", ""))
    query = request.GET.get("category_query", "")
    context = {"suggested_category": request.GET.get("suggested_category", "")}
    try:
        with open_client() as client:
            all_categories = category_picker.categories(client)
    except MoodleError:
        if under is not None:
            return _checked(request, "warning", NO_CATEGORIES)
        choices = CategoryChoices(query=query, selected=selected, trouble=NO_CATEGORIES)
        return partial(request, "jobs/_category_choices.html", {**context, "categories": choices})
    if under is not None:
        nodes, more = category_picker.children_of(under, all_categories, request.user)
        branch = {"nodes": nodes, "more": more, "name": "category", "selected": selected}
        return partial(request, "components/_tree.html", branch)
    choices = category_picker.category_choices(all_categories, request.user, query=query, selected=selected)
    return partial(request, "jobs/_category_choices.html", {**context, "categories": choices})


@part_of("jobs:request")
@require_safe
def copy_preview(request: PersonRequest) -> HttpResponse:
    """Show the preview for the chosen source and options, with suggested names and a suggested category."""
    form = RequestForm(request.GET, user=request.user)
    source, target = as_id(form.value("source")), form.target()
    shown = preview_for(source, form.chosen_options, target, request) if source else None
    context: dict[str, object] = {
        "preview": shown,
        "again": "again" in request.GET,
        "preview_url": reverse("jobs:preview"),
        "source": source,
        "with_names": True,
    }
    if shown is not None and shown.target.category_is_suggested and shown.target.category_id != target.category_id:
        context |= {"categories": _suggested(shown, request), "suggested_category": shown.target.category_id}
    return partial(request, "jobs/_preview.html", context)


def _suggested(shown: Preview, request: PersonRequest) -> CategoryChoices | None:
    """Return the tree of categories, with the suggested category selected; None if Moodle does not answer."""
    try:
        with open_client() as client:
            all_categories = category_picker.categories(client)
    except MoodleError:
        return None
    return category_picker.category_choices(all_categories, request.user, selected=shown.target.category_id)


def preview_for(source: int, chosen: Mapping[str, int], target: Target, request: PersonRequest) -> Preview:
    """Return the preview for a source. Also stores the names of the source, for while Moodle does not answer."""
    try:
        with open_client() as client:
            shown = preview(source, chosen, target, request.user, client, health_of(request))
            if shown.course is not None:
                choice = course_picker.choice_of(shown.course, client)
                course_picker.remember_choice(choice, request.user, client)
            return shown
    except MoodleError as error:
        return Preview(trouble=str(error))


@part_of("jobs:request")
@require_safe
def short_name_check(request: PersonRequest) -> HttpResponse:
    """Show whether the short name in the form is free. If it is taken, also offer a free name."""
    shortname = request.GET.get("shortname", "")
    if not shortname.strip():
        return _checked(request, "", "")
    problem = next(iter(check_short_name(shortname)), None) or reserved_by_job(shortname, ignore_job=_edited(request))
    if problem is None:
        try:
            with open_client() as client:
                problem = taken_in_moodle(shortname, client)
        except MoodleError:
            message = "The name could not be checked in Moodle. dupdash checks it again when you send the form."
            return _checked(request, "warning", message)
    if problem is not None:
        return _checked(request, "danger", words_of_problem(problem, request.user), free_name(shortname, problem))
    return _checked(request, "success", "This short name is free.")


def free_name(shortname: str, problem: Problem) -> str:
    """Return a free short name if ``problem`` says that ``shortname`` is taken.

    Returns "" for another problem, if no free name was found, or if Moodle does not answer.
    """
    if problem.code != "shortnametaken":
        return ""
    try:
        with open_client() as client:
            return free_variant(shortname, client)
    except MoodleError:
        return ""


def _checked(request: PersonRequest, level: str, text: str, offer: str = "") -> HttpResponse:
    return partial(request, "components/_check.html", {"level": level, "text": text, "offer": offer})


def _edited(request: PersonRequest) -> DuplicationJob | None:
    """Return the waiting job that an administrator edits, or None. This job may keep its own short name."""
    job_id = request.GET.get("job", "")
    if not is_job_id(job_id):
        return None
    job = access.visible_jobs(request.user).filter(pk=job_id, state=State.AWAITING_APPROVAL).first()
    return job if job is not None and access.may(request.user, Action.APPROVE, job) else None

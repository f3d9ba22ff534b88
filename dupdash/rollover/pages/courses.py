"""Creates a plan from courses in Moodle that a person selects from a category or a search."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.moodle_clients import open_bulk_client, open_client
from dupdash.duplication.request import as_id, why_no_course_settings
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.records import Category, Course
from dupdash.rollover import course_lists, tasks
from dupdash.rollover.course_lists import CannotList, courses_found, courses_of_category
from dupdash.rollover.pages.course_forms import ChooseForm, RulesForm
from dupdash.rollover.plan_creation import plan_from_courses
from dupdash.web.category_picker import categories, path_of
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.presentation.error_messages import words_of_error
from dupdash.web.responses import PersonRequest, see_other


@dataclass(frozen=True)
class ListedCourse:
    id: int
    fullname: str
    shortname: str
    category: str
    hidden: bool
    ticked: bool


@require_safe_or_POST
def from_moodle(request: PersonRequest) -> HttpResponse:
    try:
        with open_client() as client:
            return _page(request, client)
    except MoodleError as error:
        return render(request, "rollover/courses.html", {"problem": words_of_error(error, request.user)}, status=503)


def _page(request: PersonRequest, client: MoodleClient) -> HttpResponse:
    all_categories = categories(client)
    choose = ChooseForm(request.GET or None, all_categories=all_categories)
    rules = RulesForm(request.POST if request.method == "POST" else None, all_categories=all_categories)
    ticked = {number for text in request.POST.getlist("course") if (number := as_id(text)) is not None}
    if request.method == "POST" and rules.is_valid():
        if ticked:
            return _make_plan(request, rules, ticked, all_categories)
        rules.add_error(None, "Select the courses to copy.")
    refusal, more = "", False
    courses: list[Course] = []
    if choose.is_bound and choose.is_valid():
        try:
            courses, more = _listed(choose, client, all_categories)
        except CannotList as cannot:
            refusal = str(cannot)
    listed = [
        ListedCourse(
            course.id,
            course.fullname,
            course.shortname,
            path_of(course.category_id, all_categories) or course.category_name,
            course.visible is False,
            course.id in ticked if request.method == "POST" else True,
        )
        for course in courses
    ]
    context = {
        "choose": choose,
        "rules": rules,
        "form": rules,
        "refusal": refusal,
        # How many courses of the search were read, if there may be more.
        "more": course_lists.FOUND_MOST if more else 0,
        "no_course_settings": why_no_course_settings(MoodleHealth.current(), visible=True),
        "listed": choose.is_bound and not refusal,
        "courses": listed,
        "ticked": sum(course.ticked for course in listed),
    }
    return render(request, "rollover/courses.html", context, status=422 if request.method == "POST" else 200)


def _listed(
    choose: ChooseForm, client: MoodleClient, all_categories: tuple[Category, ...]
) -> tuple[list[Course], bool]:
    """Return the courses to list, and whether Moodle may find more than dupdash reads."""
    category, text = choose.cleaned_data["category"], choose.cleaned_data["q"].strip()
    if text:
        found, more = courses_found(text, client)
        below = {one.id for one in all_categories if str(category) in one.path.strip("/").split("/")}
        return [course for course in found if category is None or course.category_id in below], more
    return courses_of_category(category, all_categories, open_client) if category is not None else [], False


def _make_plan(
    request: PersonRequest, rules: RulesForm, ticked: set[int], all_categories: tuple[Category, ...]
) -> HttpResponse:
    with open_bulk_client() as client:
        client.load(ids=ticked)
        found = [course for course in map(client.course_by_id, sorted(ticked)) if course is not None]
    plan = plan_from_courses(
        found,
        rules.renaming,
        rules.target_rule,
        rules.date_rule,
        all_categories,
        name="1 course from Moodle" if len(found) == 1 else f"{len(found)} courses from Moodle",
        owner=request.user,
        options=rules.chosen_options,
    )
    tasks.ask_for_work()
    messages.success(request, "The list is ready. Nothing is copied until you start it.")
    return see_other("rollover:plan", plan.pk)

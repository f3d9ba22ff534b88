"""A list from courses in Moodle: a category or a search, the courses, and the rules for names and categories."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dupdash.duplication.moodle_clients import open_bulk_client, open_client
from dupdash.duplication.request import as_id
from dupdash.moodle import options
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.records import Category, Course
from dupdash.rollover import tasks
from dupdash.rollover.choosing import CannotList, courses_found, courses_of_category
from dupdash.rollover.making import plan_from_courses
from dupdash.rollover.renaming import InvalidRule, Renaming, Rule
from dupdash.rollover.targets import Target, TargetRule
from dupdash.web.category_picker import categories, path_of
from dupdash.web.decorators import permission_required
from dupdash.web.models import OptionPreset
from dupdash.web.presentation.error_messages import words_of_error
from dupdash.web.responses import PersonRequest, see_other


class ChooseForm(forms.Form):
    category = forms.TypedChoiceField(required=False, coerce=int, empty_value=None, label="Category, with all below it")
    q = forms.CharField(required=False, max_length=200, label="Or search for")

    def __init__(self, *arguments: Any, known: tuple[Category, ...], **more: Any) -> None:
        super().__init__(*arguments, **more)
        paths = sorted((path_of(one.id, known), one.id) for one in known)
        self.fields["category"].choices = [("", "Choose a category"), *((id, path) for path, id in paths)]  # type: ignore[attr-defined]


class RulesForm(forms.Form):
    rule = forms.ChoiceField(
        label="Names",
        choices=[
            (Rule.NEXT_YEAR, "Raise the year: BIO101-2026S1 becomes BIO101-2027S1"),
            (Rule.REPLACE, "Find and replace"),
            (Rule.REGEX, "Find and replace by a regular expression"),
            (Rule.KEEP, "Keep them"),
        ],
        initial=Rule.NEXT_YEAR,
        widget=forms.RadioSelect,
    )
    find = forms.CharField(required=False, max_length=200, strip=False, label="Find")
    replace = forms.CharField(required=False, max_length=200, strip=False, label="Replace with")
    term = forms.CharField(required=False, max_length=100, label="Term", help_text="What {term} stands for.")
    shortname_template = forms.CharField(
        max_length=200, initial="{shortname}", label="Short name", help_text="May hold {shortname}, {fullname}, {term}."
    )
    fullname_template = forms.CharField(max_length=300, initial="{fullname}", label="Full name")
    target = forms.ChoiceField(
        label="Category of the copies",
        choices=[
            (Target.ONE, "One for all"),
            (Target.NEXT, "The category after that of the source"),
            (Target.BY_NAME, "That of the source, with a part of its path replaced"),
            (Target.SAME, "That of the source"),
        ],
        initial=Target.ONE,
        widget=forms.RadioSelect,
    )
    target_category = forms.ChoiceField(required=False, label="One for all")
    category_find = forms.CharField(required=False, max_length=200, label="In the path find")
    category_replace = forms.CharField(required=False, max_length=200, label="Replace with")
    preset = forms.ModelChoiceField(
        OptionPreset.objects.none(),
        required=False,
        label="What is copied",
        empty_label="The default: contents without people",
    )

    def __init__(self, *arguments: Any, known: tuple[Category, ...], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.fields["preset"].queryset = OptionPreset.objects.all()  # type: ignore[attr-defined]
        paths = sorted((path_of(one.id, known), one.id) for one in known)
        self.fields["target_category"].choices = [("", "Choose a category"), *((id, path) for path, id in paths)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("target") == Target.ONE and not cleaned.get("target_category"):
            self.add_error("target_category", "Choose a category for the copies.")
        if cleaned.get("target") == Target.BY_NAME and not cleaned.get("category_find"):
            self.add_error("category_find", "Enter the part of the path that is to be replaced.")
        if not self.errors:
            try:
                self.renaming.check()
            except InvalidRule as error:
                self.add_error(error.field, str(error))
        return cleaned

    @property
    def renaming(self) -> Renaming:
        given = self.cleaned_data
        return Renaming(
            Rule(given["rule"]),
            given["find"],
            given["replace"],
            given["term"].strip(),
            given["shortname_template"],
            given["fullname_template"],
        )

    @property
    def target_rule(self) -> TargetRule:
        given = self.cleaned_data
        return TargetRule(
            Target(given["target"]), given["target_category"], given["category_find"], given["category_replace"]
        )

    @property
    def chosen_options(self) -> dict[str, int]:
        preset: OptionPreset | None = self.cleaned_data["preset"]
        return {name: name in preset.on if preset else value for name, value in options.defaults().items()}


@dataclass(frozen=True)
class ListedCourse:
    id: int
    fullname: str
    shortname: str
    category: str
    hidden: bool
    ticked: bool


@permission_required
@require_http_methods(["GET", "HEAD", "POST"])
def from_moodle(request: PersonRequest) -> HttpResponse:
    try:
        with open_client() as client:
            return _page(request, client)
    except MoodleError as error:
        return render(request, "rollover/courses.html", {"problem": words_of_error(error, request.user)}, status=503)


def _page(request: PersonRequest, client: MoodleClient) -> HttpResponse:
    known = categories(client)
    choose = ChooseForm(request.GET or None, known=known)
    rules = RulesForm(request.POST if request.method == "POST" else None, known=known)
    ticked = {number for text in request.POST.getlist("course") if (number := as_id(text)) is not None}
    if request.method == "POST" and rules.is_valid():
        if ticked:
            return _make_plan(request, rules, ticked, known)
        rules.add_error(None, "Select the courses to copy.")
    refusal, courses = "", []
    if choose.is_bound and choose.is_valid():
        try:
            courses = _listed(choose, client, known)
        except CannotList as cannot:
            refusal = str(cannot)
    context = {
        "choose": choose,
        "rules": rules,
        "form": rules,
        "refusal": refusal,
        "listed": choose.is_bound and not refusal,
        "courses": [
            ListedCourse(
                course.id,
                course.fullname,
                course.shortname,
                path_of(course.category_id, known) or course.category_name,
                course.visible is False,
                course.id in ticked if request.method == "POST" else True,
            )
            for course in courses
        ],
    }
    return render(request, "rollover/courses.html", context, status=422 if request.method == "POST" else 200)


def _listed(choose: ChooseForm, client: MoodleClient, known: tuple[Category, ...]) -> list[Course]:
    category, text = choose.cleaned_data["category"], choose.cleaned_data["q"].strip()
    if text:
        found = courses_found(text, client)
        below = {one.id for one in known if str(category) in one.path.strip("/").split("/")}
        return [course for course in found if category is None or course.category_id in below]
    return courses_of_category(category, known, open_client) if category is not None else []


def _make_plan(request: PersonRequest, rules: RulesForm, ticked: set[int], known: tuple[Category, ...]) -> HttpResponse:
    with open_bulk_client() as client:
        client.load(ids=ticked)
        found = [course for course in map(client.course_by_id, sorted(ticked)) if course is not None]
    plan = plan_from_courses(
        found,
        rules.renaming,
        rules.target_rule,
        known,
        name=f"{len(found)} courses from Moodle",
        owner=request.user,
        options=rules.chosen_options,
    )
    tasks.ask_for_work()
    messages.success(request, "The list was made. Nothing is copied before you start it.")
    return see_other("rollover:plan", plan.pk)

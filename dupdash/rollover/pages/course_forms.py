"""The forms that select courses in Moodle and set the rules for the names, categories and dates of their copies."""

from typing import Any

from django import forms

from dupdash.moodle.records import Category
from dupdash.rollover.pages.forms import PresetChoiceForm
from dupdash.rollover.renaming import InvalidRule, Renaming, Rule
from dupdash.rollover.start_dates import DateRule, Dates
from dupdash.rollover.target_categories import Target, TargetRule
from dupdash.web.category_picker import path_of
from dupdash.web.date_fields import DayField
from dupdash.web.forms.field_choices import set_choices

# Ten years in weeks.
WEEKS_MOST = 520


class ChooseForm(forms.Form):
    category = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, label="Category and its subcategories"
    )
    q = forms.CharField(required=False, max_length=200, label="Or search for")

    def __init__(self, *arguments: Any, all_categories: tuple[Category, ...], **more: Any) -> None:
        super().__init__(*arguments, **more)
        set_choices(self, "category", _category_choices(all_categories))


class RulesForm(PresetChoiceForm):
    rule = forms.ChoiceField(
        label="Rule",
        choices=[
            (Rule.NEXT_YEAR, "Raise the year: BIO101-2026S1 becomes BIO101-2027S1"),
            (Rule.REPLACE, "Find and replace"),
            (Rule.REGEX, "Find and replace with a regular expression"),
            (Rule.KEEP, "Keep them"),
        ],
        initial=Rule.NEXT_YEAR,
        widget=forms.RadioSelect,
    )
    find = forms.CharField(required=False, max_length=200, strip=False, label="Find")
    replace = forms.CharField(required=False, max_length=200, strip=False, label="Replace with")
    term = forms.CharField(required=False, max_length=100, label="Term", help_text="What {term} stands for.")
    shortname_template = forms.CharField(
        max_length=200,
        initial="{shortname}",
        label="Short name",
        help_text="{shortname} and {fullname} stand for the names of the source after the change chosen above, {term} "
        "for the term entered here.",
    )
    fullname_template = forms.CharField(
        max_length=300,
        initial="{fullname}",
        label="Full name",
        help_text="You can use {shortname}, {fullname} and {term} here, too.",
    )
    dates = forms.ChoiceField(
        required=False,
        label="Dates",
        choices=[
            (DateRule.KEEP, "The same dates as the source"),
            (DateRule.WEEKS, "A number of weeks later, so that weekdays stay the same"),
            (DateRule.ONE, "One start date for all"),
        ],
        initial=DateRule.KEEP,
        widget=forms.RadioSelect,
    )
    weeks = forms.IntegerField(
        required=False,
        initial=52,
        min_value=-WEEKS_MOST,
        max_value=WEEKS_MOST,
        label="Weeks later",
        help_text="52 weeks are about a year. The end date moves by as many days as the start date.",
    )
    startdate = DayField("Start date")
    idnumber_template = forms.CharField(
        required=False,
        max_length=200,
        label="ID number",
        help_text="You can use {shortname}, {fullname} and {term} as above; {idnumber} stands for the ID number of the "
        "source. If this is empty, the copies have no ID number.",
    )
    target = forms.ChoiceField(
        label="Category of the copies",
        choices=[
            (Target.ONE, "One category for all copies"),
            (Target.NEXT, "The next category after the source’s own, below the same parent"),
            (Target.BY_NAME, "The source’s category, with a part of its path replaced"),
            (Target.SAME, "The same category as the source"),
        ],
        initial=Target.ONE,
        widget=forms.RadioSelect,
    )
    target_category = forms.ChoiceField(required=False, label="Category")
    category_find = forms.CharField(required=False, max_length=200, label="Text to find in the path")
    category_replace = forms.CharField(required=False, max_length=200, label="Replace with")

    def __init__(self, *arguments: Any, all_categories: tuple[Category, ...], **more: Any) -> None:
        super().__init__(*arguments, **more)
        set_choices(self, "target_category", _category_choices(all_categories))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("target") == Target.ONE and not cleaned.get("target_category"):
            self.add_error("target_category", "Choose a category for the copies.")
        if cleaned.get("target") == Target.BY_NAME and not cleaned.get("category_find"):
            self.add_error("category_find", "Enter the part of the path that is to be replaced.")
        if cleaned.get("dates") == DateRule.ONE and not cleaned.get("startdate"):
            self.add_error("startdate", "Enter the start date of the copies.")
        if cleaned.get("dates") == DateRule.WEEKS and not cleaned.get("weeks"):
            self.add_error("weeks", "Enter by how many weeks the copies start later.")
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
            given["idnumber_template"],
        )

    @property
    def date_rule(self) -> Dates:
        given = self.cleaned_data
        return Dates(DateRule(given["dates"] or DateRule.KEEP), given["startdate"], given["weeks"] or 0)

    @property
    def target_rule(self) -> TargetRule:
        given = self.cleaned_data
        return TargetRule(
            Target(given["target"]), given["target_category"], given["category_find"], given["category_replace"]
        )


def _category_choices(all_categories: tuple[Category, ...]) -> list[tuple[object, str]]:
    paths = sorted((path_of(one.id, all_categories), one.id) for one in all_categories)
    return [("", "Choose a category"), *((id, path) for path, id in paths)]

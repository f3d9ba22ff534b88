"""What narrows the history down: a form whose fields are the address of the page."""

from datetime import date
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import Max, Q
from django.http import QueryDict

from dupdash.duplication.display_names import COMMAND_LINE, name_of
from dupdash.duplication.explanations import explain
from dupdash.duplication.models import JobQuerySet, Proof
from dupdash.duplication.request import as_id
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.states import BUSY, UNFINISHED, State
from dupdash.duplication.text_direction import isolate
from dupdash.moodle.options import OPTIONS
from dupdash.web.date_fields import DayField, end_of, start_of
from dupdash.web.history.search import LONGEST, search
from dupdash.web.history.sorting import NEWEST_FIRST, SORTS

UNDER_WAY = "unfinished"
MOODLE_BUSY = "busy"
PARTIAL_LEFT = "partial"
NOBODY = "none"
NO_CODE = "-"

STATES = [
    ("", "Any state"),
    (UNDER_WAY, "Not finished yet"),
    (MOODLE_BUSY, "Running or checking"),
    *State.choices,
    (PARTIAL_LEFT, "Failed, partial course left"),
]
Choices = list[tuple[str, Any]]


class HistoryForm(forms.Form):
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(
            attrs={"type": "search", "dir": "auto", "placeholder": "Name, person, course, id, error"}
        ),
        error_messages={"max_length": f"Search for at most {LONGEST} characters."},
    )
    state = forms.ChoiceField(label="State", required=False, choices=STATES)
    sort = forms.ChoiceField(
        label="Order", required=False, choices=[(name, sort.label) for name, sort in SORTS.items()]
    )
    person = forms.ChoiceField(label="Asked for by", required=False)
    source = forms.CharField(
        label="Source course (id or short name)",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    category = forms.ChoiceField(label="Category of the copy", required=False)
    option = forms.ChoiceField(label="Options", required=False)
    cause = forms.ChoiceField(label="Why it failed", required=False)
    since = DayField("Asked for from")
    until = DayField("Asked for until")

    MORE = ("person", "source", "category", "option", "cause", "since", "until")

    def __init__(self, asked: QueryDict, jobs: JobQuerySet, *, everybody: bool) -> None:
        super().__init__(asked, auto_id="filter-%s")
        self._jobs = jobs
        if everybody:
            self._choose("person", [("", "Anybody"), *_people(jobs)])
        else:
            del self.fields["person"]
        self._choose("category", [("", "Any category"), *_categories(jobs)])
        self._choose("option", [("", "Any options"), *_options()])
        self._choose("cause", [("", "Any cause"), *_causes(jobs)])
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):
                field.error_messages["invalid_choice"] = "No copy has this any more; choose again."

    def _choose(self, name: str, choices: Choices) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", "This day lies before the first one.")
        return cleaned

    @property
    def more_is_set(self) -> bool:
        return any(self.data.get(name) for name in self.MORE)

    @property
    def more(self) -> list[forms.BoundField]:
        """The fields behind "More filters"."""
        return [self[name] for name in self.MORE if name in self.fields]

    @property
    def chosen_sort(self) -> str:
        """The chosen order; the newest first for an address that names none, or none that there is."""
        asked = self.data.get("sort", "")
        return asked if asked in SORTS else NEWEST_FIRST

    def query(self, **other: object) -> QueryDict:
        """The address of what is shown, without what says nothing; ``other`` takes the place of its own."""
        kept = QueryDict(mutable=True)
        for name in self.fields:
            value = str(other.pop(name, self.data.get(name, ""))).strip()
            if value and not (name == "sort" and value == NEWEST_FIRST):
                kept[name] = value
        kept.update({name: str(value) for name, value in other.items() if value})
        return kept

    def found(self) -> JobQuerySet:
        """The jobs that the filters leave over; of a form with mistakes there are none."""
        if not self.is_valid():
            return self._jobs.none()
        given = self.cleaned_data
        jobs = self._jobs.filter(
            _in_state(given["state"]),
            _of_person(given.get("person", "")),
            _with_option(given["option"]),
            _of_cause(given["cause"]),
            _asked(given["since"], given["until"]),
        )
        if given["category"]:
            jobs = jobs.filter(category_id=given["category"])
        if given["source"]:
            jobs = jobs.filter(source_id__in=_sources(self._jobs, given["source"]))
        return search(jobs, given["q"])


def _in_state(chosen: str) -> Q:
    if chosen == UNDER_WAY:
        return Q(state__in=UNFINISHED)
    if chosen == MOODLE_BUSY:
        return Q(state__in=BUSY)
    if chosen == PARTIAL_LEFT:
        left = Q(state=State.FAILED, course_id__isnull=False, course_deleted_at__isnull=True)
        return left & ~Q(proof=Proof.NONE)
    return Q(state=chosen) if chosen else Q()


def _of_person(chosen: str) -> Q:
    if chosen == NOBODY:
        return Q(requester__isnull=True)
    return Q(requester_id=chosen) if chosen else Q()


def _with_option(chosen: str) -> Q:
    name = chosen.removeprefix("-")
    return Q(**{f"options__{name}": not chosen.startswith("-")}) if name else Q()


def _of_cause(chosen: str) -> Q:
    if not chosen:
        return Q()
    return Q(state=State.FAILED, failure_code="" if chosen == NO_CODE else chosen)


def _asked(since: date | None, until: date | None) -> Q:
    days = Q()
    if since:
        days &= Q(created_at__gte=start_of(since))
    if until:
        days &= Q(created_at__lt=end_of(until))
    return days


def _sources(jobs: JobQuerySet, text: str) -> list[int]:
    sought, course_id = fold_text(text), as_id(text)
    known = list(jobs.order_by().values_list("source_id", "source_shortname").distinct())
    if any(source == course_id for source, _ in known):
        return [source for source, _ in known if source == course_id]
    return [source for source, shortname in known if sought in fold_text(shortname)]


def _people(jobs: JobQuerySet) -> Choices:
    asked = set(jobs.order_by().values_list("requester_id", flat=True).distinct())
    people = User.objects.filter(id__in=asked - {None}).only("username", "first_name", "last_name")
    named = sorted(
        ((str(person.pk), isolate(name_of(person))) for person in people), key=lambda choice: fold_text(choice[1])
    )
    return [*named, (NOBODY, COMMAND_LINE.capitalize())] if None in asked else named


def _categories(jobs: JobQuerySet) -> Choices:
    """By the name that each had last."""
    known = jobs.order_by().values("category_id", "category_name").annotate(last=Max("created_at")).order_by("last")
    names = {row["category_id"]: row["category_name"] or f"Category {row['category_id']}" for row in known}
    return sorted(
        ((str(number), isolate(name)) for number, name in names.items()), key=lambda choice: fold_text(choice[1])
    )


def _options() -> Choices:
    return [
        ("Copied along", [(option.name, option.label) for option in OPTIONS]),
        ("Left out", [(f"-{option.name}", option.label) for option in OPTIONS]),
    ]


def _causes(jobs: JobQuerySet) -> Choices:
    codes = jobs.filter(state=State.FAILED).order_by().values_list("failure_code", flat=True).distinct()
    return sorted(((code or NO_CODE, cause_of(code)) for code in codes), key=lambda choice: choice[1])


def cause_of(code: str) -> str:
    """In the words of the page of a job; the code beside it where those words fit more than one."""
    words = explain(code).happened.rstrip(".")
    return words if explain(code) is not explain("") else f"{words} ({code or 'no code'})"

"""Filters the list of copies with a form, whose fields are the query parameters of the page."""

from dataclasses import replace
from datetime import date
from functools import reduce
from operator import or_
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import BigIntegerField, CharField, F, Q
from django.http import QueryDict

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.duplication.planner_hints import Unindexed
from dupdash.duplication.request import as_id
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.states import State
from dupdash.web.date_fields import DayField, end_of, start_of
from dupdash.web.forms.field_choices import set_choices
from dupdash.web.forms.plain_select import PlainSelect
from dupdash.web.job_list import choices
from dupdash.web.job_list.orders import BY_CREATION, DEFAULT, ORDERS, Found, Order, Size
from dupdash.web.job_list.search import LONGEST, Lookup, choose_lookup, matching, names_a_job, words_in
from dupdash.web.job_list.state_groups import ATTENTION, GROUPS, WITH_EARLIER_ATTEMPTS, Group, group_of

ALL_ATTEMPTS = "all"
# A higher count is shown as "more than" this number.
COUNTED_MOST = 10_000
# If at most this many jobs match, a page is found by their ids, without a second search. If more match, the page is
# first looked for in the order of the list.
FEW = 2000


class ListForm(forms.Form):
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "dir": "auto",
                "aria-keyshortcuts": "/",
                "placeholder": "Name, person, id, error, address",
            }
        ),
        error_messages={"max_length": f"Use at most {LONGEST} characters."},
    )
    state = forms.ChoiceField(
        label="State",
        required=False,
        widget=PlainSelect,
        choices=[
            ("", "Any"),
            (ATTENTION, "Needs attention"),
            *((name, group.label) for name, group in GROUPS.items()),
            *State.choices,
        ],
    )
    sort = forms.ChoiceField(
        label="Sort by",
        required=False,
        widget=PlainSelect,
        choices=[(name, order.label) for name, order in ORDERS.items()],
    )
    person = forms.ChoiceField(label="Requested by", required=False, widget=PlainSelect)
    source = forms.CharField(
        label="Source course (id or short name)",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    category = forms.ChoiceField(label="Category of the copy", required=False, widget=PlainSelect)
    option = forms.ChoiceField(label="Options", required=False, widget=PlainSelect)
    cause = forms.ChoiceField(label="Cause of failure", required=False, widget=PlainSelect)
    assignee = forms.ChoiceField(label="Assigned to", required=False, widget=PlainSelect)
    attempts = forms.ChoiceField(
        label="Attempts",
        required=False,
        widget=PlainSelect,
        choices=[("", "Latest attempt only"), (ALL_ATTEMPTS, "All attempts")],
    )
    since = DayField("Requested from")
    until = DayField("Requested until")
    finished_since = DayField("Finished from")

    # The other fields are behind "More filters".
    MAIN = ("q", "state", "sort")

    def __init__(self, asked: QueryDict, user: User) -> None:
        super().__init__(asked, auto_id="filter-%s")
        self._user = user
        self._jobs = access.visible_jobs(user)
        own = None if access.sees_all_jobs(user) else self._jobs
        if own is None:
            set_choices(self, "person", [("", "Anybody"), *choices.people()])
            set_choices(self, "assignee", [("", "Anybody or nobody"), *choices.assignees()])
        else:
            del self.fields["person"], self.fields["assignee"]
        set_choices(self, "category", [("", "Any category"), *choices.categories(own)])
        set_choices(self, "option", [("", "Any options"), *choices.options()])
        set_choices(self, "cause", [("", "Any cause"), *choices.causes(own)])
        for offered in self.fields.values():
            if isinstance(offered, forms.ChoiceField):
                offered.error_messages["invalid_choice"] = "No copy has this value. Choose another one."

    def clean_q(self) -> str:
        text: str = self.cleaned_data["q"]
        if text and not words_in(text):
            raise forms.ValidationError("Search for words of at least two characters.")
        return text

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", "This day is before “Requested from”.")
        return cleaned

    @property
    def more(self) -> list[forms.BoundField]:
        """The fields behind "More filters"."""
        return [self[name] for name in self.fields if name not in self.MAIN]

    @property
    def more_is_set(self) -> bool:
        return any(self.data.get(field.name) for field in self.more)

    @property
    def order_name(self) -> str:
        """Return the chosen order, or the default order if the URL does not name a valid one."""
        asked = self.data.get("sort", "")
        return asked if asked in ORDERS else DEFAULT

    @property
    def order(self) -> Order:
        return ORDERS[self.order_name]

    def query(self, **other: object) -> QueryDict:
        """Return the query parameters of the URL, without empty fields. ``other``: fields to replace or add."""
        kept = QueryDict(mutable=True)
        for name in self.fields:
            value = str(other.pop(name, self.data.get(name, ""))).strip()
            if value and not (name == "sort" and value == DEFAULT):
                kept[name] = value
        kept.update({name: str(value) for name, value in other.items() if value})
        return kept

    @property
    def is_narrowed(self) -> bool:
        return bool(self.query(sort=""))

    def found(self, search: str = "") -> Found:
        """Return the jobs that match the form; none if it has errors. ``search``: replaces the typed search text."""
        if not self.is_valid():
            return Found.all_of(self._jobs.none())
        text = search or self.cleaned_data["q"]
        # People who see only their own jobs have few. SQLite must find these by the index of requesters, so most other
        # conditions are written without their indexes.
        own_only = not access.sees_all_jobs(self._user)
        group = self._group
        alternatives = [self._filtered(condition, scanned=own_only) for condition in group.alternatives]
        indexed = self._united(alternatives)
        lookup = choose_lookup(words_in(text), indexed, restricted=self._is_restricted)
        sought = matching(text, scanned=lookup.reads_texts)
        return Found(
            indexed.filter(sought),
            self._filtered(reduce(or_, group.alternatives), scanned=True).filter(matching(text, scanned=True)),
            tuple(alternative.filter(sought) for alternative in alternatives),
            group.states,
            lookup=lookup,
        )

    @property
    def _group(self) -> Group:
        return group_of(self.cleaned_data["state"], self._user)

    def _united(self, alternatives: list[JobQuerySet]) -> JobQuerySet:
        """Return the jobs of all alternatives, by a UNION of queries: one query with OR would read all jobs."""
        first, *others = alternatives
        if not others:
            return first
        return self._jobs.filter(
            pk__in=first.order_by().values("pk").union(*(one.order_by().values("pk") for one in others))
        )

    @property
    def _is_restricted(self) -> bool:
        """Whether anything but the search and the filter "Attempts" narrows the list."""
        return bool(set(self.query()) - {"q", "sort", "attempts"}) or not access.sees_all_jobs(self._user)

    def found_and_counted(self, search: str = "") -> tuple[Found, int | None]:
        """Return the matching jobs, and their number, counted up to COUNTED_MOST + 1.

        The number is None if the jobs were not counted: the form has errors, nothing is filtered, or an index contains
        the jobs in the chosen order.
        """
        found = self.found(search)
        if not self.is_valid() or not self.is_narrowed or self._follows_an_index:
            return found, None
        if self._certainly_finds(COUNTED_MOST + 1, found.lookup):
            return replace(found, size=Size.LARGE), COUNTED_MOST + 1
        ids = found.ids(COUNTED_MOST + 1)
        if len(ids) > FEW:
            return replace(found, size=Size.LARGE if len(ids) > COUNTED_MOST else Size.MEDIUM), len(ids)
        jobs = DuplicationJob.objects.filter(pk__in=ids)
        return Found(jobs, jobs, (jobs,), found.states, Size.SMALL), len(ids)

    def _certainly_finds(self, number: int, lookup: Lookup) -> bool:
        """Return whether ``lookup``, which has asked the text index, proves that at least ``number`` jobs match."""
        if lookup.matches is None or lookup.matches < number or self._is_restricted:
            return False
        # At most so many of the matches are earlier attempts.
        retries = self._jobs.filter(retry_of__gt="").count()
        return lookup.matches - retries >= number

    @property
    def _follows_an_index(self) -> bool:
        """Whether an index contains the matching jobs in the chosen order."""
        unsorted = any(self.cleaned_data.get(name) for name in ("q", "source", "option", "finished_since"))
        return self.order_name in BY_CREATION and not unsorted and len(self._group.alternatives) == 1

    def _filtered(self, of_state: Q, *, scanned: bool) -> JobQuerySet:
        """Return the jobs that match all filters except the search. ``of_state``: the condition of the chosen state."""
        given = self.cleaned_data
        jobs = self._jobs.alias(**SCANNED) if scanned else self._jobs
        prefix = SCANNED_PREFIX if scanned else ""
        return jobs.filter(
            of_state,
            _in_state(given["state"], prefix),
            _requested_by(given.get("person", ""), prefix),
            _in_category(given["category"], prefix),
            _with_option(given["option"], prefix),
            _with_cause(given["cause"], prefix),
            _on_days(given["since"], given["until"], given["finished_since"]),
            _of_source(given["source"], self._jobs, scanned=scanned),
            _assigned_to(given.get("assignee", "")),
            self._latest_attempts(),
        )

    def _latest_attempts(self) -> Q:
        """Return the condition for the latest attempt at each copy.

        The condition is empty, so that earlier attempts match, too, if the person asks for all attempts, filters for a
        state in WITH_EARLIER_ATTEMPTS, or searches for the id of a job.
        """
        given = self.cleaned_data
        everything = given["attempts"] == ALL_ATTEMPTS or given["state"] in WITH_EARLIER_ATTEMPTS
        return Q() if everything or names_a_job(given["q"]) else Q(is_retried=False)


# The columns of the filters without their indexes: if very many jobs match, SQLite should not collect and sort them.
SCANNED_PREFIX = "scanned_"
SCANNED = {
    f"{SCANNED_PREFIX}{name}": Unindexed(F(name), output_field=CharField())
    for name in ("state", "failure_code", "chosen_options")
} | {
    f"{SCANNED_PREFIX}{name}": Unindexed(F(name), output_field=BigIntegerField())
    for name in ("requester_id", "category_id")
}


def _in_state(chosen: str, prefix: str) -> Q:
    return Q(**{f"{prefix}state": chosen}) if chosen in State.values else Q()


def _requested_by(chosen: str, prefix: str) -> Q:
    if chosen == choices.NOBODY:
        return Q(requester__isnull=True)
    return Q(**{f"{prefix}requester_id": chosen}) if chosen else Q()


def _in_category(chosen: str, prefix: str) -> Q:
    return Q(**{f"{prefix}category_id": chosen}) if chosen else Q()


def _with_option(chosen: str, prefix: str) -> Q:
    name = chosen.removeprefix("-")
    if not name:
        return Q()
    combinations = choices.combinations_with(name, chosen=not chosen.startswith("-"))
    return Q(**{f"{prefix}chosen_options__in": combinations})


def _with_cause(chosen: str, prefix: str) -> Q:
    if not chosen:
        return Q()
    code = "" if chosen == choices.NO_CODE else chosen
    return Q(**{f"{prefix}state": State.FAILED, f"{prefix}failure_code": code})


def _assigned_to(chosen: str) -> Q:
    return Q(assignee_id=chosen) if chosen else Q()


def _on_days(since: date | None, until: date | None, finished_since: date | None) -> Q:
    days = Q()
    if since:
        days &= Q(created_at__gte=start_of(since))
    if until:
        days &= Q(created_at__lt=end_of(until))
    if finished_since:
        days &= Q(finished_at__gte=start_of(finished_since))
    return days


def _of_source(text: str, jobs: JobQuerySet, *, scanned: bool) -> Q:
    """Return the condition for a source: ``text`` is its id or, if no job has this id, a part of its short name."""
    if not text:
        return Q()
    number, sought = as_id(text), fold_text(text)
    if number is not None and jobs.filter(source_id=number).exists():
        return Q(source_id=number)
    of_name = Q(source_key__contains=sought)
    # The condition alone is right; the index of texts narrows the jobs down first.
    return of_name if scanned else of_name & Q(search_text__contains_all=[sought])

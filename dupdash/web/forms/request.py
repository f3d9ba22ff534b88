"""The request form. It turns a person's input into a ``Draft``: a request that was not validated yet.

``duplication/request.py`` validates names, source and category, because commands and web services need this, too.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time, tzinfo
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob, new_id
from dupdash.duplication.request import Draft, Problem, as_id, check_full_name, check_short_name
from dupdash.moodle.options import OPTIONS, from_form
from dupdash.notifications.preferences import zone_of
from dupdash.web.date_fields import FIRST, LAST, DayField, day_in
from dupdash.web.earlier_copies import Target
from dupdash.web.forms.plain_select import PlainSelect
from dupdash.web.forms.zones import zone_choices
from dupdash.web.presentation.error_messages import words_of_problem

NOW, LATER = "now", "later"
OVER = "That time has passed. Choose a later one."


class WallClockField(forms.DateTimeField):
    """A field for a date and time without a time zone. Another field of the form has the zone."""

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        # Skips the conversion of DateTimeField, which would apply the server's time zone.
        return cast(datetime, super(forms.DateTimeField, self).to_python(value))


class RequestForm(forms.Form):
    # The text of the search, and the id of the chosen course.
    source_query = forms.CharField(required=False)
    source = forms.CharField(required=False, label="Source course")
    fullname = forms.CharField(
        label="Full name",
        help_text="The name that students see.",
        widget=forms.TextInput(attrs={"dir": "auto"}),
        error_messages={"required": check_full_name("")[0].message},
    )
    shortname = forms.CharField(
        label="Short name",
        help_text="Must be unique in Moodle (not case-sensitive).",
        error_messages={"required": check_short_name("")[0].message},
        widget=forms.TextInput(
            attrs={"autocapitalize": "off", "spellcheck": "false", "autocomplete": "off", "dir": "auto"}
        ),
    )
    category = forms.IntegerField(
        label="Category",
        error_messages={
            "required": "Choose a category for the new course.",
            "invalid": "Choose a category from the list.",
        },
    )
    visible = forms.BooleanField(required=False, initial=True, label="Students can see the copy")
    startdate = DayField("Start date")
    enddate = DayField("End date")
    idnumber = forms.CharField(
        required=False,
        label="ID number",
        help_text="Other systems can identify the course by this number. Must be unique in Moodle.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "off", "spellcheck": "false", "autocomplete": "off", "dir": "auto"}
        ),
    )
    start = forms.ChoiceField(
        label="Start",
        choices=[(NOW, "As soon as possible"), (LATER, "Schedule for later")],
        initial=NOW,
        widget=forms.RadioSelect,
    )
    not_before = WallClockField(
        required=False,
        label="Start at",
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"],
        validators=[
            MinValueValidator(datetime.combine(FIRST, time.min), OVER),
            MaxValueValidator(datetime.combine(LAST, time.max), f"Enter a date up to {LAST.year}."),
        ],
        error_messages={"invalid": "Enter a date and a time, for example 2027-02-01 22:00."},
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    timezone = forms.CharField(
        required=False, label="Time zone", widget=PlainSelect(attrs={"data-timezone": True}, choices=zone_choices())
    )
    note = forms.CharField(
        required=False,
        label="Note",
        help_text="For everybody who reads this request later.",
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )
    # A person ticks this to make another copy of a course that was already copied to the same term.
    again = forms.BooleanField(required=False, label="Make another copy")
    # The text of the category search, and the category that dupdash suggested.
    category_query = forms.CharField(required=False)
    suggested_category = forms.CharField(required=False, widget=forms.HiddenInput)
    # The id of the source for which the value of “Students can see the copy” was chosen.
    visible_for = forms.CharField(required=False, widget=forms.HiddenInput)
    # Identifies one loaded form, so that pressing the button twice creates one job.
    key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, user: User, start: datetime | None = None, **more: Any) -> None:
        """``start``: the start time of the job that a person edits. The job keeps it unless the person changes it."""
        super().__init__(*arguments, **more)
        self.user = user
        # A free short name to offer, if the typed short name is taken.
        self.free_shortname = ""
        self.job_start = start
        self.initial.setdefault("key", new_id())
        if self.is_bound or self.initial.get("timezone"):
            # Scripts must not replace the zone in which the person typed the time by the browser's zone.
            self.fields["timezone"].widget.attrs.pop("data-timezone", None)
        self.initial.setdefault("timezone", str(zone_of(user)))
        if access.needs_approval(user):
            self.fields[
                "note"
            ].help_text = "For the person who approves the request, and for everybody who reads it later."

    @property
    def chosen_options(self) -> dict[str, int]:
        """Return the ten options as the person sent them, or the initial options before that."""
        if self.is_bound:
            return from_form(self.data)
        begun: dict[str, int] = self.initial.get("options", {})
        return {option.name: begun.get(option.name, option.default) for option in OPTIONS}

    @property
    def is_visible(self) -> bool:
        """Return whether “Students can see the copy” is ticked."""
        return bool(self["visible"].value())

    def typed(self) -> dict[str, Any]:
        """Return all values of this form, for use as the initial values of a new form."""
        return {name: self[name].value() for name in self.fields} | {"options": self.chosen_options}

    def value(self, name: str) -> str:
        """Return the text in a field, even if it is invalid."""
        value = self[name].value()
        return "" if value is None else str(value)

    def target(self) -> Target:
        """Return the category, names, visibility and dates of the copy, as far as they are filled in."""
        return Target(
            category_id=as_id(self.value("category")),
            shortname=self.value("shortname"),
            fullname=self.value("fullname"),
            visible=bool(self["visible"].value()),
            startdate=day_in(self.value("startdate")),
            enddate=day_in(self.value("enddate")),
            category_is_suggested=self.value("category") == self.value("suggested_category"),
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not (cleaned.get("source") or cleaned.get("source_query")):
            self.add_error("source", "Choose the course to copy.")
        cleaned["moment"] = self._moment(cleaned)
        return cleaned

    def _moment(self, cleaned: dict[str, Any]) -> datetime | None:
        """Return the requested start time; None for a start as soon as possible.

        The person enters a local time of the chosen time zone. If it is invalid, adds an error and returns None.
        """
        if "not_before" in self.errors:
            return None
        if cleaned.get("start") != LATER:
            # A start time in the past was shown as "As soon as possible", so the person did not change it.
            return self.job_start if self.job_start and self.job_start <= timezone.now() else None
        local: datetime | None = cleaned.get("not_before")
        if local is None:
            self.add_error("not_before", "Enter the date and time to start.")
            return None
        name = cleaned.get("timezone") or str(zone_of(self.user))
        if name not in available_timezones():
            self.add_error("timezone", "Unknown time zone. Choose one from the list.")
            return None
        zone = ZoneInfo(name)
        if self.job_start and local == wall_clock(self.job_start, zone):
            # The form shows no seconds, and an hour occurs twice when the clocks go back. The exact time is kept.
            return self.job_start
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        if moment <= timezone.now():
            self.add_error("not_before", OVER)
            return None
        if moment.astimezone(zone).replace(tzinfo=None) != local:
            self.add_error("not_before", f"This time does not exist in {name}, because the clocks go forward then.")
            return None
        return moment

    def draft(self) -> Draft:
        """Return the input as a draft, even if fields are missing, so that all problems are found at once."""
        typed = self.cleaned_data
        return Draft(
            source=typed.get("source") or typed.get("source_query") or "",
            by_id=bool(typed.get("source")),
            fullname=typed.get("fullname", ""),
            shortname=typed.get("shortname", ""),
            category_id=typed.get("category") or 0,
            visible=typed.get("visible", False),
            options=self.chosen_options,
            startdate=typed.get("startdate"),
            enddate=typed.get("enddate"),
            idnumber=typed.get("idnumber", ""),
            note=typed.get("note", ""),
            not_before=typed.get("moment"),
            idempotency_key=typed.get("key", "")[:255],
        )

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Show each problem at its field. A field that already has an error gets no second one."""
        for problem in problems:
            field = problem.field if problem.field in self.fields else None
            if field is None or field not in self.errors:
                self.add_error(field, words_of_problem(problem, self.user))


def to_edit(job: DuplicationJob, zone: ZoneInfo | None) -> dict[str, Any]:
    """Return the initial values of the form that edits a waiting job. The start time is shown in ``zone``.

    ``zone``: the time zone that the editing person has chosen; None: that of dupdash.
    """
    begun = filled_in(job)
    if job.not_before is None or job.not_before <= timezone.now():
        return begun
    zone = zone or ZoneInfo(settings.TIME_ZONE)
    return {**begun, "start": LATER, "not_before": wall_clock(job.not_before, zone), "timezone": zone.key}


def wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    """Return a time as the form shows it: as local time in ``zone``, without seconds and without a time zone."""
    return moment.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)


def filled_in(job: DuplicationJob) -> dict[str, Any]:
    """Return the initial values of a form that requests the same copy as ``job``."""
    return {
        "source": str(job.source_id),
        "fullname": job.fullname,
        "shortname": job.shortname,
        "category": job.category_id,
        "visible": job.visible,
        "options": dict(job.options),
        "startdate": job.startdate,
        "enddate": job.enddate,
        "idnumber": job.idnumber,
        "note": job.note,
    }

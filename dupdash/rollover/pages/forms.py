"""The forms that upload a file, correct a row of a plan, and start a plan."""

from datetime import datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils import timezone

from dupdash.duplication.batch_tables import Batch, Priority
from dupdash.duplication.driver_choice import UPDATE
from dupdash.duplication.models import MoodleHealth
from dupdash.moodle import options
from dupdash.rollover.batches.start_settings import StartSettings
from dupdash.rollover.models import PlanRow
from dupdash.rollover.reading.cell_values import UnclearValue, read_moment
from dupdash.rollover.reading.columns import KNOWN, OPTION_NAMES, OTHER_ACTIONS, SOURCE, TEMPLATE_COURSE
from dupdash.web.models import OptionPreset

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

NOW, LATER = "now", "later"
# The form always has fields for these columns. Other columns have a field only if the plan has the column.
ALWAYS = (SOURCE, "fullname", "shortname", "category")


class PresetChoiceForm(forms.Form):
    """A form with a field for the preset. Its options are those of the copies of a plan."""

    preset = forms.ModelChoiceField(
        OptionPreset.objects.all(),
        required=False,
        label="What is copied",
        empty_label="The default: contents without people",
    )

    @property
    def chosen_options(self) -> dict[str, int]:
        preset: OptionPreset | None = self.cleaned_data["preset"]
        return preset.values if preset else dict(options.defaults())


class UploadForm(PresetChoiceForm):
    file = forms.FileField(
        label="File",
        help_text="CSV or an Excel workbook (.xlsx). Moodle’s own “Upload courses” files work, too.",
        error_messages={"required": "Choose a file.", "empty": "The file is empty."},
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
    )
    name = forms.CharField(
        required=False,
        max_length=200,
        label="Name of the list",
        help_text="If it is empty, the list gets the name of the file.",
    )

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.fields["preset"].help_text = "For options that a row leaves empty."

    def clean_file(self) -> "UploadedFile[bytes]":
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > settings.ROLLOVER_FILE_MIB * 2**20:
            raise forms.ValidationError(f"The file is larger than {settings.ROLLOVER_FILE_MIB} MiB. Divide the list.")
        return file

    @property
    def list_name(self) -> str:
        return str(self.cleaned_data["name"].strip() or self.cleaned_data["file"].name or "List")[:200]


class RowForm(forms.Form):
    """The form that corrects one row of a plan. An unchanged cell keeps the problems found when the file was read."""

    def __init__(self, *arguments: Any, row: PlanRow, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.row = row
        self.columns = _columns_of(row)
        for name in self.columns:
            self.fields[name] = forms.CharField(
                required=False,
                strip=True,
                max_length=4000,
                label=KNOWN[name].label,
                initial=row.value(name),
                widget=forms.TextInput(attrs={"dir": "auto", "autocomplete": "off", "spellcheck": "false"}),
            )

    def apply(self) -> None:
        """Write the input into the row, without saving the row."""
        changed = {name for name in self.columns if self.cleaned_data[name] != self.row.value(name)}
        self.row.values = {**self.row.values, **{name: self.cleaned_data[name] for name in self.columns}}
        self.row.file_problems = [
            [column, message] for column, message in self.row.file_problems if column not in changed | {""}
        ]


def _columns_of(row: PlanRow) -> list[str]:
    """Return the columns that can be corrected: the required columns, and the further columns of this plan."""
    own = [name for name in KNOWN if name in row.values]
    if TEMPLATE_COURSE in own and SOURCE not in own:
        needed = [name for name in ALWAYS if name != SOURCE]
    else:
        needed = list(ALWAYS)
    later = ("visible", "start", *OPTION_NAMES, *OTHER_ACTIONS)
    columns = {*own, *needed}
    return sorted(columns, key=lambda name: (name in later, list(KNOWN).index(name)))


class WindowForm(forms.Form):
    """The form for the priority of a batch and the time of day in which its copies may start."""

    window_start = forms.TimeField(
        required=False, label="Start copies only from", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    window_end = forms.TimeField(
        required=False, label="to", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    priority = forms.TypedChoiceField(
        choices=[
            (Priority.HIGH, "Before everything else"),
            (Priority.NORMAL, "Take turns"),
            (Priority.LOW, "After everything else"),
        ],
        coerce=int,
        initial=Priority.NORMAL,
        label="Order",
        help_text="“Take turns”: copies of this batch start alternately with those of other requests and batches.",
    )

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.fields[
            "window_start"
        ].help_text = f"Times are in the time zone {settings.TIME_ZONE}. Leave both empty to start at any time."

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        first, last = cleaned.get("window_start"), cleaned.get("window_end")
        if (first is None) != (last is None) and not {"window_start", "window_end"} & set(self.errors):
            self.add_error("window_end", "Enter both times, or neither.")
        elif first is not None and first == last:
            self.add_error("window_end", "Enter two different times.")
        return cleaned

    @property
    def window(self) -> tuple[time, time] | None:
        first, last = self.cleaned_data["window_start"], self.cleaned_data["window_end"]
        return (first, last) if first is not None and last is not None else None

    @classmethod
    def of(cls, batch: Batch) -> "WindowForm":
        return cls(
            initial={
                "window_start": batch.window_start,
                "window_end": batch.window_end,
                "priority": batch.priority,
            }
        )


class StartForm(WindowForm):
    start = forms.ChoiceField(
        label="When",
        choices=[(NOW, "As soon as possible"), (LATER, "Schedule for later")],
        initial=NOW,
        widget=forms.RadioSelect,
    )
    not_before = forms.CharField(
        required=False,
        label="Start at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="For rows without a start time of their own.",
    )
    mail_results = forms.BooleanField(
        required=False, initial=True, label="Email me the results when all copies have ended"
    )

    hide_sources = forms.BooleanField(
        required=False,
        label="Hide the sources from students when all copies have ended",
        help_text="dupdash hides only sources whose copies are all complete. If you undo the batch, dupdash shows the "
        "sources of deleted copies again.",
    )

    field_order = ("start", "not_before", "window_start", "window_end", "priority", "mail_results", "hide_sources")

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if not MoodleHealth.current().may_update:
            self.fields["hide_sources"].disabled = True
            self.fields["hide_sources"].help_text = f"Not possible: dupdash’s token in Moodle may not call {UPDATE}."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        cleaned["moment"] = self._moment(cleaned)
        return cleaned

    def _moment(self, cleaned: dict[str, Any]) -> datetime | None:
        if cleaned.get("start") != LATER:
            return None
        if not cleaned.get("not_before"):
            self.add_error("not_before", "Enter the date and time to start.")
            return None
        try:
            moment = read_moment(cleaned["not_before"], ZoneInfo(settings.TIME_ZONE))
        except UnclearValue as error:
            self.add_error("not_before", str(error))
            return None
        if moment <= timezone.now():
            self.add_error("not_before", "That time has passed. Choose a later one.")
            return None
        return moment

    @property
    def start_settings(self) -> StartSettings:
        return StartSettings(
            not_before=self.cleaned_data["moment"],
            window=self.window,
            priority=self.cleaned_data["priority"],
            mail_results=self.cleaned_data["mail_results"],
            hide_sources=self.cleaned_data["hide_sources"],
        )

"""The database tables of lists of copies (plans) with their rows, of undone batches, and of hidden sources."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from dupdash.duplication.models import Batch, DuplicationJob, new_id


class PlanState(models.TextChoices):
    # Its rows are compared with Moodle, before anybody sees them or before the start.
    JUDGING = "judging", "Checking"
    JUDGED = "judged", "Checked"
    STARTING = "starting", "Starting"
    STARTED = "started", "Started"


class Level(models.TextChoices):
    """The worst that was found out about a row."""

    UNKNOWN = "", "Not checked"
    OK = "ok", "No problems"
    WARNING = "warning", "Warnings"
    ERROR = "error", "Errors"


class Plan(models.Model):
    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="plans")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=PlanState, default=PlanState.JUDGING)
    # How the file was read, and what of it was left out, in sentences.
    kind = models.CharField(max_length=300, blank=True)
    notes = models.JSONField(default=list)
    # The headings of the columns that are written when the plan is exported, in the order of the file.
    headings = models.JSONField(default=list)
    # For rows that do not say otherwise.
    options = models.JSONField(default=dict)
    visible = models.BooleanField(default=True)
    # Rows whose source was already copied to the same term are excluded by the first check.
    leaves_out_copied = models.BooleanField(default=False)
    # Why rows could not be checked, or the start did not take place, in a sentence for the owner.
    failure = models.TextField(blank=True)
    # When and how it is run: the fields of ``running.start_settings.StartSettings``.
    start_settings = models.JSONField(default=dict)
    batch = models.OneToOneField(Batch, on_delete=models.PROTECT, null=True, related_name="plan")

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["state"], name="plan_by_state")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_working(self) -> bool:
        return self.state in (PlanState.JUDGING, PlanState.STARTING)


class PlanRow(models.Model):
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="rows")
    # The number of the row in the spreadsheet.
    number = models.PositiveIntegerField()
    # The cells of the columns that dupdash knows, by column; and of the others, by heading.
    values = models.JSONField()
    others = models.JSONField(default=dict)
    included = models.BooleanField(default=True)
    # Problems of the file itself, which a correction of the cell removes: [column, message].
    file_problems = models.JSONField(default=list)

    # What was found out.
    level = models.CharField(max_length=10, choices=Level, blank=True, default=Level.UNKNOWN)
    # [column, message, id of the job that is in the way or ""].
    problems = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    # Short name and idnumber as they are compared; the number of another included row that has the same, and in which
    # of these two columns.
    shortname_key = models.CharField(max_length=300, blank=True)
    idnumber_key = models.CharField(max_length=300, blank=True)
    conflict_row = models.PositiveIntegerField(null=True)
    conflict_column = models.CharField(max_length=20, blank=True)
    # The DuplicationRequest that the row stands for, where it has no error.
    request = models.JSONField(null=True)
    # What pages show of it: names of the source and of the category.
    found = models.JSONField(default=dict)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["plan", "number"], name="one_plan_row_per_number")]
        indexes = [
            models.Index(fields=["plan", "level", "number"], name="plan_row_by_level"),
            models.Index(fields=["plan", "shortname_key"], name="plan_row_by_name"),
        ]

    def __str__(self) -> str:
        return f"row {self.number}"

    def value(self, column: str) -> str:
        values: dict[str, Any] = self.values
        return str(values.get(column, ""))

    def cells(self, headings: Sequence[str]) -> list[str]:
        """The cells under these headings: of known columns, else of columns that dupdash does not use."""
        return [self.value(heading) or str(self.others.get(heading, "")) for heading in headings]


class UndoState(models.TextChoices):
    # Each copy is compared with what was made.
    CHECKING = "checking", "Checking the copies"
    CHECKED = "checked", "Checked"
    DELETING = "deleting", "Deleting"
    DONE = "done", "Done"


class Verdict(models.TextChoices):
    UNKNOWN = "", "Not checked"
    DELETABLE = "deletable", "Will be deleted"
    KEPT = "kept", "Stays"
    GONE = "gone", "Already gone"
    DELETED = "deleted", "Deleted"


class Undo(models.Model):
    """Somebody wants the copies of a batch deleted: which of them can be, and what became of it."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="undos")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=UndoState, default=UndoState.CHECKING)
    # Why it stopped, in a sentence.
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["state"], name="undo_by_state")]

    def __str__(self) -> str:
        return f"undo of {self.batch_id}"

    @property
    def is_working(self) -> bool:
        return self.state in (UndoState.CHECKING, UndoState.DELETING)


class UndoItem(models.Model):
    """One copy of the batch."""

    undo = models.ForeignKey(Undo, on_delete=models.CASCADE, related_name="items")
    job = models.ForeignKey(DuplicationJob, on_delete=models.CASCADE, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True, default=Verdict.UNKNOWN)
    # Why the copy stays, or what happened, in a sentence.
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["undo", "verdict"], name="undo_item_by_verdict")]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.verdict}"


class SourceState(models.TextChoices):
    WAITING = "waiting", "Will be hidden"
    HIDDEN = "hidden", "Hidden"
    BEFORE = "before", "Was hidden before"
    KEPT = "kept", "Not hidden"
    # The copies were deleted when the batch was undone.
    SHOWING = "showing", "Will be shown again"
    SHOWN = "shown", "Shown again"


class HiddenSource(models.Model):
    """A source that is hidden from students once its copies are complete."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="hidden_sources")
    source_id = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, choices=SourceState, default=SourceState.WAITING)
    # Why it was not hidden or not shown again, in a sentence.
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["batch", "source_id"], name="one_hidden_source_per_batch")]
        indexes = [models.Index(fields=["state"], name="hidden_source_by_state")]

    def __str__(self) -> str:
        return f"course {self.source_id}: {self.state}"

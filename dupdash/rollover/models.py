"""The database tables of plans (lists of copies) and their rows, of undone batches, and of hidden sources."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from dupdash.duplication.models import Batch, DuplicationJob, new_id


class PlanState(models.TextChoices):
    # A worker checks the rows, after the plan was made or after a person asked for it. The stored values of the first
    # two states are older than their names.
    CHECKING = "judging", "Checking"
    CHECKED = "judged", "Checked"
    STARTING = "starting", "Starting"
    STARTED = "started", "Started"


class Level(models.TextChoices):
    """The result of checking a row: its most serious finding."""

    UNKNOWN = "", "Not checked"
    OK = "ok", "No problems"
    WARNING = "warning", "Warnings"
    ERROR = "error", "Errors"


class Plan(models.Model):
    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="plans")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=PlanState, default=PlanState.CHECKING)
    # The file format in words, for example "Excel workbook, sheet “Copies”", and sentences about what was not read.
    kind = models.CharField(max_length=300, blank=True)
    notes = models.JSONField(default=list)
    # The headings of the file in their order. An exported plan has the same columns.
    headings = models.JSONField(default=list)
    # The options and visibility for rows that do not set their own.
    options = models.JSONField(default=dict)
    visible = models.BooleanField(default=True)
    # Whether the first check excludes rows whose source was already copied to the same term.
    leaves_out_copied = models.BooleanField(default=False)
    # A sentence that tells the owner why rows could not be checked or the plan was not started.
    failure = models.TextField(blank=True)
    # When and how the copies are made: the fields of ``batches.start_settings.StartSettings``.
    start_settings = models.JSONField(default=dict)
    batch = models.OneToOneField(Batch, on_delete=models.PROTECT, null=True, related_name="plan")

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["state"], name="plan_by_state")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_working(self) -> bool:
        return self.state in (PlanState.CHECKING, PlanState.STARTING)


class PlanRow(models.Model):
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="rows")
    # The number of the row in the spreadsheet.
    number = models.PositiveIntegerField()
    # ``values``: the cells of columns that dupdash uses, by column. ``others``: the other cells, by heading.
    values = models.JSONField()
    others = models.JSONField(default=dict)
    included = models.BooleanField(default=True)
    # Problems found while the file was read, as [column, message]. Correcting the cell removes its problem.
    file_problems = models.JSONField(default=list)

    # The results of the check.
    level = models.CharField(max_length=10, choices=Level, blank=True, default=Level.UNKNOWN)
    # Each problem and warning is [column, message, id of the job that causes it or ""].
    problems = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    # The short name and ID number in the form in which they are compared. ``conflict_row`` is the number of another
    # included row with the same value in the column ``conflict_column``.
    shortname_key = models.CharField(max_length=300, blank=True)
    idnumber_key = models.CharField(max_length=300, blank=True)
    conflict_row = models.PositiveIntegerField(null=True)
    conflict_column = models.CharField(max_length=20, blank=True)
    # The DuplicationRequest for this row, if the row has no error.
    request = models.JSONField(null=True)
    # The names of the source and the category that pages show for this row.
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
        """Return the cells under these headings, including columns that dupdash does not use."""
        return [self.value(heading) or str(self.others.get(heading, "")) for heading in headings]


class UndoState(models.TextChoices):
    # A worker checks whether each copy is still unchanged.
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
    """A request to delete the copies of a batch, with its progress. Each copy has an UndoItem with the result."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="undos")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=UndoState, default=UndoState.CHECKING)
    # A sentence about why the check or the deletion stopped.
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
    """One copy of the batch that is undone, and whether this copy can be deleted or was deleted."""

    undo = models.ForeignKey(Undo, on_delete=models.CASCADE, related_name="items")
    job = models.ForeignKey(DuplicationJob, on_delete=models.CASCADE, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True, default=Verdict.UNKNOWN)
    # A sentence about why the copy is kept.
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
    # The batch was undone and the copies were deleted, so the source is shown to students again.
    SHOWING = "showing", "Will be shown again"
    SHOWN = "shown", "Shown again"
    STUCK = "stuck", "Not shown again"
    GONE = "gone", "No longer in Moodle"


class HiddenSource(models.Model):
    """A source that dupdash hides from students after its copies in a batch are complete."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="hidden_sources")
    source_id = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, choices=SourceState, default=SourceState.WAITING)
    # A sentence about why the source was not hidden or not shown again.
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["batch", "source_id"], name="one_hidden_source_per_batch")]
        indexes = [models.Index(fields=["state"], name="hidden_source_by_state")]

    def __str__(self) -> str:
        return f"course {self.source_id}: {self.state}"

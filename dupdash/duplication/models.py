"""The database tables of jobs and their events. Imports the package's other tables, so that Django finds them."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import Exact
from django.utils import timezone

from dupdash.duplication.batch_tables import Batch, LaneTurn
from dupdash.duplication.derived_columns import KEY_LONGEST, derived_columns
from dupdash.duplication.health_table import MoodleHealth
from dupdash.duplication.new_id import new_id
from dupdash.duplication.planner_hints import Unindexed
from dupdash.duplication.sql_durations import between
from dupdash.duplication.states import BUSY, RETRYABLE, TERMINAL, UNFINISHED, State
from dupdash.duplication.worker_tables import ClusterHeartbeat, DatabaseLock, DatabaseWriteProbe, FinishedSweep
from dupdash.moodle.name_comparison import short_name_key

# The longest idnumber of a course (Moodle's column has this length).
IDNUMBER_LONGEST = 100

__all__ = [
    "IDNUMBER_LONGEST",
    "LEFT_LIKELY_COURSE",
    "LEFT_PARTIAL_COURSE",
    "Batch",
    "ClusterHeartbeat",
    "DatabaseLock",
    "DatabaseWriteProbe",
    "DuplicationJob",
    "FinishedSweep",
    "JobEvent",
    "JobQuerySet",
    "LaneTurn",
    "MoodleHealth",
    "Origin",
    "Phase",
    "Proof",
    "new_id",
]


class Origin(models.TextChoices):
    FORM = "form", "the request form"
    FILE = "file", "a file"
    COMMAND = "command", "the command line"
    WEB_SERVICE = "web_service", "a web service"


class Phase(models.TextChoices):
    """The phase of a copy in Moodle, as far as dupdash knows it from the start call, lookups and status reports."""

    NONE = "", "Not started"
    BACKUP = "backup", "Backup"
    RESTORE = "restore", "Restore"


class Proof(models.TextChoices):
    """How it is known that a job made its course."""

    NONE = "", "No proof"
    # The course had the requested names after a temporary name, or after the request had ended or was overdue.
    SEEN = "seen", "It was seen under the requested names"
    ANSWERED = "answered", "Moodle’s answer named it"
    SETTLED = "settled", "A course administrator recorded the result"


# The jobs whose ``left_partial_course`` is true, and those whose ``may_have_left_course`` is true.
LEFT_PARTIAL_COURSE = Q(state=State.FAILED, course_id__isnull=False, course_deleted_at__isnull=True) & ~Q(
    proof=Proof.NONE
)
LEFT_LIKELY_COURSE = Q(
    # Without its index: SQLite has no statistics of the index of likely courses while it is empty, and would read all
    # failed jobs instead.
    Exact(Unindexed(F("state")), State.FAILED),
    course_id__isnull=True,
    likely_course_id__isnull=False,
    course_deleted_at__isnull=True,
)


class JobQuerySet(models.QuerySet["DuplicationJob"]):
    def unfinished(self) -> "JobQuerySet":
        return self.filter(state__in=UNFINISHED)

    def busy(self) -> "JobQuerySet":
        return self.filter(state__in=BUSY)

    def holding_slot(self) -> "JobQuerySet":
        """Return the jobs that hold a slot: Moodle works on their request, or may work on it.

        MOODLE_CONCURRENCY limits their number.
        """
        return self.busy().filter(moodle_done_at__isnull=True)

    def due(self) -> "JobQuerySet":
        """Return the queued jobs whose start time, retry delay and time to undo their approval have passed.

        Dispatch also considers slots, sources, and the windows and pauses of batches.
        """
        now, times = timezone.now(), ("not_before", "retry_at", "undo_until")
        passed = (Q(**{f"{time}__isnull": True}) | Q(**{f"{time}__lte": now}) for time in times)
        return self.filter(*passed, state=State.QUEUED)

    def awaiting_dispatch(self) -> "JobQuerySet":
        """Return the jobs that are due and that are not in django-q2's queue yet."""
        return self.due().filter(dispatched_at__isnull=True)

    def dispatched(self) -> "JobQuerySet":
        """Return the queued jobs that are in django-q2's queue and that no worker has claimed yet."""
        return self.filter(state=State.QUEUED, dispatched_at__isnull=False)

    def blocking_source(self) -> "JobQuerySet":
        """Return the jobs whose source no other job may copy now.

        Two backups of one source at the same moment collide in Moodle (rule 4).
        """
        return self.busy().filter(source_released_at__isnull=True)

    def reserving_short_name(self, shortname: str) -> "JobQuerySet":
        return self.unfinished().filter(shortname_key=short_name_key(shortname))


class DuplicationJob(models.Model):
    """A job: one requested copy of a course, from the request to the result."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    state = models.CharField(max_length=20, choices=State)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="duplication_jobs",
        # The index "job_by_requester" serves it.
        db_index=False,
    )
    origin = models.CharField(max_length=20, choices=Origin)
    # The batch that the job was accepted with; null for a single request.
    batch = models.ForeignKey(
        Batch,
        on_delete=models.PROTECT,
        null=True,
        related_name="jobs",
        # The index "job_by_batch" serves it.
        db_index=False,
    )
    # The number of the job's row in the plan, or its index in the call of the web service, and its place in the batch's
    # order of dispatch.
    batch_row = models.PositiveIntegerField(null=True)
    batch_order = models.PositiveIntegerField(null=True)
    retry_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="retries")
    # A later attempt exists: lists show the later one, and this job offers no second retry.
    is_retried = models.BooleanField(default=False)

    # The request.
    source_id = models.BigIntegerField()
    source_shortname = models.CharField(max_length=255)
    source_fullname = models.CharField(max_length=255)
    fullname = models.CharField(max_length=254)
    shortname = models.CharField(max_length=100)
    shortname_key = models.CharField(max_length=KEY_LONGEST, editable=False)
    category_id = models.BigIntegerField()
    category_name = models.CharField(max_length=1000, blank=True)
    visible = models.BooleanField(default=True)
    options = models.JSONField()
    # Calendar dates in the time zone of the Moodle site. Null: the source's date. An end date moves with the start
    # date.
    startdate = models.DateField(null=True)
    enddate = models.DateField(null=True)
    idnumber = models.CharField(max_length=IDNUMBER_LONGEST, blank=True, default="")
    note = models.TextField(blank=True)
    # The requested start.
    not_before = models.DateTimeField(null=True)
    # Until this moment the approval can be undone, and the job is not dispatched.
    undo_until = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=255, blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    # The place in the queue. A job that returns to the queue keeps it.
    queued_at = models.DateTimeField(null=True)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    # The end of the delay before an automatic retry.
    retry_at = models.DateTimeField(null=True)

    # The worker that works on the job, and the end of its lease on the database's clock.
    lease_owner = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True)
    # When a sweep found the lease expired; cleared when the worker renews the lease after all.
    lease_expired_seen_at = models.DateTimeField(null=True)

    # The request to Moodle. Once sent_at is set, the job is not sent again, because that could make a second copy (rule
    # 3).
    driver = models.CharField(max_length=20, blank=True)
    sent_at = models.DateTimeField(null=True)
    baseline = models.JSONField(null=True)
    # The settings in which the copy differs from its source: "startdate", "enddate" (Unix timestamps), "idnumber".
    course_settings = models.JSONField(default=dict)
    duplicate_id = models.CharField(max_length=64, blank=True)
    # Reported by the plugin: how many tasks come before this one in Moodle's queue (null: it does not wait there), and
    # when Moodle started it.
    moodle_queue_ahead = models.PositiveIntegerField(null=True)
    moodle_started_at = models.DateTimeField(null=True)
    # From this moment another copy of the same source may start: the new course was seen, or is overdue, or Moodle has
    # ended the request.
    source_released_at = models.DateTimeField(null=True)
    # When Moodle ended the request, with an answer or with an error of its own. The job holds no slot from then on.
    moodle_done_at = models.DateTimeField(null=True)
    # Seconds that backup and restore are expected to take, from earlier copies; null: no history.
    expected_backup = models.FloatField(null=True)
    expected_restore = models.FloatField(null=True)
    source_activities = models.PositiveIntegerField(null=True)
    # How many copies Moodle made at the same time while it made this one, on average; set when the job succeeds.
    concurrent_copies = models.FloatField(null=True)

    # What lookups in Moodle have shown.
    phase = models.CharField(max_length=10, choices=Phase, blank=True, default=Phase.NONE)
    last_response_at = models.DateTimeField(null=True)
    course_id = models.BigIntegerField(null=True)
    proof = models.CharField(max_length=10, choices=Proof, blank=True, default=Proof.NONE)
    # The course under a temporary name that is most likely this job's, without proof.
    likely_course_id = models.BigIntegerField(null=True)
    # When a lookup first showed the new course, proven or likely: the restore runs.
    restore_at = models.DateTimeField(null=True)
    # When a lookup first showed contents in it.
    content_at = models.DateTimeField(null=True)
    # The fields of CopyEvidence (drivers/copy_evidence.py).
    evidence = models.JSONField(default=dict)
    # The overall progress that was shown, 0 to 1. Pages never show less.
    progress_floor = models.FloatField(default=0)
    # The overall progress that a site last reported for a copy that it makes in the background, and when it changed.
    reported_progress = models.FloatField(default=0)
    reported_at = models.DateTimeField(null=True)

    # When dupdash next checks the copy in Moodle, or next asks the site for the status of a copy that runs there.
    check_at = models.DateTimeField(null=True)
    # How many checks were tried, and how many of them Moodle answered, since checking began or an error arrived.
    checks = models.PositiveIntegerField(default=0)
    answered_checks = models.PositiveIntegerField(default=0)
    checking_since = models.DateTimeField(null=True)
    # Seconds for which the site was down while this job was checked. They are added to its deadline.
    paused_seconds = models.FloatField(default=0)

    # The empty shell that is being deleted.
    shell_course_id = models.BigIntegerField(null=True)
    # How many empty shells were deleted. The request was sent again after each.
    shell_deletions = models.PositiveSmallIntegerField(default=0)

    # The code of the error that ended the request, while dupdash checks what the error left behind.
    request_error = models.CharField(max_length=100, blank=True)
    # Why the job failed. Empty unless it failed.
    failure_code = models.CharField(max_length=100, blank=True)
    failure_message = models.TextField(blank=True)
    # The last error with which Moodle answered the request, as Moodle sent it: errorcode, message, debuginfo.
    moodle_error = models.JSONField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    # A partial course or an unwanted copy that was deleted in Moodle through this job.
    course_deleted_at = models.DateTimeField(null=True)
    # The comparison of the copy with its source.
    verification = models.JSONField(null=True)
    # The plugin's report on a complete copy: "activities", "missing", "pointing".
    moodle_report = models.JSONField(null=True)
    # When a comparison that was not possible is tried again.
    verify_at = models.DateTimeField(null=True)

    # Who is responsible for a failed job, that person's note, and when the failure was marked as resolved.
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    assignee_note = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True)

    # Derived from other columns (derived_columns), like shortname_key: to sort by, to filter by, and to search in.
    source_key = models.CharField(max_length=KEY_LONGEST, blank=True, default="", editable=False)
    requester_key = models.CharField(max_length=KEY_LONGEST, blank=True, default="", editable=False)
    chosen_options = models.CharField(max_length=500, blank=True, default="", editable=False)
    # The verification found differences between the copy and its source.
    differs = models.BooleanField(default=False, editable=False)
    search_text = models.TextField(blank=True, default="", editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["shortname_key"],
                condition=Q(state__in=sorted(UNFINISHED)),
                name="one_unfinished_job_per_short_name",
            ),
            # Two backups of one source at the same moment collide in Moodle (rule 4).
            models.UniqueConstraint(
                fields=["source_id"],
                condition=Q(state__in=sorted(BUSY), sent_at__isnull=False, source_released_at__isnull=True),
                name="one_copy_per_unreleased_source",
            ),
            models.UniqueConstraint(
                fields=["requester", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="one_job_per_idempotency_key",
            ),
            models.CheckConstraint(condition=Q(state__in=sorted(TERMINAL | UNFINISHED)), name="state_is_known"),
        ]
        # One for each filter and each order of the list. bench/pages.py names the queries that read a whole table.
        # Most indexes of filters end with "is_retried", so that the latest attempts are counted in the index alone.
        indexes = [
            models.Index(fields=["state", "created_at", "id", "is_retried"], name="job_by_state"),
            models.Index(fields=["created_at", "id"], name="job_by_age"),
            models.Index(fields=["requester", "created_at", "id", "is_retried"], name="job_by_requester"),
            # The next job of each lane (queue/lanes.py), and the rows of a batch.
            models.Index(
                fields=["queued_at", "id"],
                name="job_single_in_line",
                condition=Q(state=State.QUEUED, batch__isnull=True),
            ),
            models.Index(
                fields=["batch", "batch_order", "id"],
                name="job_of_batch_in_line",
                condition=Q(state=State.QUEUED, batch__isnull=False),
            ),
            models.Index(fields=["batch", "batch_row", "id"], name="job_by_batch", condition=Q(batch__isnull=False)),
            models.Index(fields=["source_id", "created_at", "id", "is_retried"], name="job_by_source"),
            models.Index(fields=["category_id", "created_at", "id", "is_retried"], name="job_by_category"),
            models.Index(fields=["chosen_options", "created_at", "id", "is_retried"], name="job_by_options"),
            # With the options, for the filters "Cause of failure" and "Options" together.
            models.Index(
                fields=["state", "failure_code", "created_at", "id", "is_retried", "chosen_options"],
                name="job_by_cause",
            ),
            models.Index(fields=["state", "course_id"], name="job_by_left_course"),
            models.Index(
                fields=["likely_course_id"], name="job_by_likely_course", condition=Q(likely_course_id__isnull=False)
            ),
            models.Index(fields=["state", "finished_at"], name="job_by_state_and_end"),
            models.Index(fields=["course_id"], name="job_by_course", condition=Q(course_id__isnull=False)),
            models.Index(fields=["finished_at", "id"], name="job_by_end"),
            # With both times PostgreSQL can read the duration from the index alone.
            models.Index(
                between("started_at", "finished_at"), "id", "started_at", "finished_at", name="job_by_duration"
            ),
            models.Index(fields=["shortname_key", "id"], name="job_by_short_name"),
            models.Index(fields=["source_key", "id"], name="job_by_source_name"),
            models.Index(fields=["requester_key", "id"], name="job_by_requester_name"),
            # The latest copies of a source, for its expected duration.
            models.Index(fields=["source_id", "-finished_at"], name="job_by_source_end"),
            models.Index(fields=["check_at"], name="job_by_check", condition=Q(check_at__isnull=False)),
            models.Index(fields=["created_at", "id"], name="job_that_differs", condition=Q(differs=True)),
        ]

    def __str__(self) -> str:
        return f"{self.source_shortname} → {self.shortname} ({self.state})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        for column, value in derived_columns(self).items():
            setattr(self, column, value)
        super().save(*args, **kwargs)

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def can_be_cancelled(self) -> bool:
        return not self.is_terminal and self.cancel_requested_at is None

    @property
    def can_be_retried(self) -> bool:
        return self.state in RETRYABLE and not self.is_retried

    @property
    def is_scheduled(self) -> bool:
        """Whether the job is queued and its requested start is in the future."""
        return self.state == State.QUEUED and self.not_before is not None and self.not_before > timezone.now()

    @property
    def is_delayed(self) -> bool:
        """Whether the job is queued and the delay before an automatic retry has not passed."""
        return self.state == State.QUEUED and self.retry_at is not None and self.retry_at > timezone.now()

    @property
    def is_proven(self) -> bool:
        """Whether ``course_id`` counts as the course that this job made.

        There is proof, or an administrator recorded it (``Proof.SETTLED``).
        """
        return self.course_id is not None and self.proof != Proof.NONE

    @property
    def left_partial_course(self) -> bool:
        """Whether the job failed and left a course (``is_proven``) that, as far as dupdash knows, was not deleted."""
        return self.state == State.FAILED and self.is_proven and self.course_deleted_at is None

    @property
    def may_have_left_course(self) -> bool:
        """Whether the job failed and probably left a candidate that, as far as dupdash knows, was not deleted."""
        likely = self.likely_course_id is not None and not self.is_proven
        return self.state == State.FAILED and likely and self.course_deleted_at is None

    @property
    def own_course(self) -> dict[str, Any] | None:
        """The course ``course_id`` as the last lookup showed it: the fields of ``TrackedCourse``; or None."""
        return next((course for course in self.evidence.get("courses", []) if course["id"] == self.course_id), None)

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """The courses in the evidence, except ``course_id``, as the last lookups showed them.

        Each is a dictionary with the fields of ``TrackedCourse``.
        """
        return [course for course in self.evidence.get("courses", []) if course["id"] != self.course_id]

    def approval_event(self) -> "JobEvent | None":
        """Return the event of the approval; None if the job was never approved, or its approval was undone."""
        event = self.events.filter(kind__in=("approved", "approval_undone")).select_related("actor").last()
        return event if event is not None and event.kind == "approved" else None

    def elapsed(self) -> timedelta | None:
        """Return the time from the start to the end, or until now; None for a job that was not started."""
        if self.started_at is None:
            return None
        return (self.finished_at or timezone.now()) - self.started_at


class JobEvent(models.Model):
    """A recorded change of a job: who made it, when and why, and the states before and after. It is never changed."""

    job = models.ForeignKey(DuplicationJob, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    # Null: dupdash itself.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    # How the actor acted: the label of an API token, the command line.
    via = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=40)
    # Equal where nothing moved; from_state is empty for the first event.
    from_state = models.CharField(max_length=20, choices=State, blank=True)
    to_state = models.CharField(max_length=20, choices=State)
    reason = models.TextField()
    # Details for the help desk: Moodle's raw error, course ids and the like.
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["job", "id"], name="event_by_job")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"

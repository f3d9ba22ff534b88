"""The database tables: jobs, their events, the health of the Moodle, and the signs of life of the workers."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from dupdash.duplication.batch import Batch, LaneTurn
from dupdash.duplication.derived_columns import KEY_LONGEST, derived_columns, short_name_key
from dupdash.duplication.ids import new_id
from dupdash.duplication.sql_durations import between
from dupdash.duplication.states import BUSY, TERMINAL, UNFINISHED, State

# The longest idnumber of a course (Moodle's column has this length).
IDNUMBER_LONGEST = 100

__all__ = [
    "IDNUMBER_LONGEST",
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
    """What Moodle is doing with a copy, as far as it has been seen."""

    NONE = "", "Not started"
    BACKUP = "backup", "Backup"
    RESTORE = "restore", "Restore"


class Proof(models.TextChoices):
    """Why a course is known to be the one that this job made."""

    NONE = "", "No proof"
    # It carried the requested names after it had a temporary name, or after the request had ended or was overdue.
    SEEN = "seen", "It was seen under the requested names"
    ANSWERED = "answered", "Moodle's answer named it"
    SETTLED = "settled", "An administrator settled it"


class JobQuerySet(models.QuerySet["DuplicationJob"]):
    def unfinished(self) -> "JobQuerySet":
        return self.filter(state__in=UNFINISHED)

    def busy(self) -> "JobQuerySet":
        return self.filter(state__in=BUSY)

    def holding_slot(self) -> "JobQuerySet":
        """Those whose request Moodle works on, or may work on: they count against MOODLE_CONCURRENCY."""
        return self.busy().filter(moodle_done_at__isnull=True)

    def due(self) -> "JobQuerySet":
        """The queued jobs that no requested start, no delay of a retry and no time to undo an approval holds back."""
        now, times = timezone.now(), ("not_before", "retry_at", "held_until")
        passed = (Q(**{f"{time}__isnull": True}) | Q(**{f"{time}__lte": now}) for time in times)
        return self.filter(*passed, state=State.QUEUED)

    def dispatched(self) -> "JobQuerySet":
        """The queued jobs that are in django-q2's queue, for a worker to take."""
        return self.filter(state=State.QUEUED, dispatched_at__isnull=False)

    def blocking_source(self) -> "JobQuerySet":
        """Those that no other copy of the same source may join yet (rule 4)."""
        return self.busy().filter(source_released_at__isnull=True)

    def holding_short_name(self, shortname: str) -> "JobQuerySet":
        return self.unfinished().filter(shortname_key=short_name_key(shortname))


class DuplicationJob(models.Model):
    """One requested copy of one course, from the request to its result."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    state = models.CharField(max_length=20, choices=State)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="duplication_jobs",
        # "job_by_requester" is that index.
        db_index=False,
    )
    origin = models.CharField(max_length=20, choices=Origin)
    # The jobs that it was accepted with; null for a single request.
    batch = models.ForeignKey(
        Batch,
        on_delete=models.PROTECT,
        null=True,
        related_name="jobs",
        # "job_by_batch" is that index.
        db_index=False,
    )
    # The number of its row in the list of the batch, and its place when the batch is dispatched.
    batch_row = models.PositiveIntegerField(null=True)
    batch_order = models.PositiveIntegerField(null=True)
    retry_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="retries")
    # A later attempt exists, so that lists show that one and this job offers no second retry.
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
    # Calendar dates in the time zone of the Moodle site; null: the source's, and an end that moves with the start.
    startdate = models.DateField(null=True)
    enddate = models.DateField(null=True)
    idnumber = models.CharField(max_length=IDNUMBER_LONGEST, blank=True, default="")
    note = models.TextField(blank=True)
    # The requested start.
    not_before = models.DateTimeField(null=True)
    # Approved, but not dispatched before this moment, so that the approval can be undone.
    held_until = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=255, blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    # The place in the queue; kept when a job goes back to it.
    queued_at = models.DateTimeField(null=True)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    # The delay of an automatic retry ends at this time.
    retry_at = models.DateTimeField(null=True)

    # The worker that drives the job, and until when its lease is valid, on the database's clock.
    lease_owner = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True)
    # When a sweep found the lease expired; cleared when the worker renews the lease after all.
    lease_expired_seen_at = models.DateTimeField(null=True)

    # The request to Moodle. Once sent_at is set, the job is never sent again (rule 3).
    driver = models.CharField(max_length=20, blank=True)
    sent_at = models.DateTimeField(null=True)
    baseline = models.JSONField(null=True)
    # The settings that the copy gets in place of its source's: "startdate", "enddate" (Unix timestamps), "idnumber".
    course_settings = models.JSONField(default=dict)
    duplicate_id = models.CharField(max_length=64, blank=True)
    # The plugin: how many tasks come before this one in Moodle's queue (null: it does not wait there), and since when
    # Moodle works on it.
    moodle_queue_ahead = models.PositiveIntegerField(null=True)
    moodle_started_at = models.DateTimeField(null=True)
    # Another copy of the same source may start: the course was seen, should have been seen by now, or Moodle is done.
    source_released_at = models.DateTimeField(null=True)
    # Moodle has ended the request, by an answer or by an error in its own words. The job holds no slot from then on.
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
    # Restore was first seen to run: by its course, or by a likely one under a temporary name.
    restore_at = models.DateTimeField(null=True)
    content_at = models.DateTimeField(null=True)
    facts = models.JSONField(default=dict)
    # The overall progress that was shown, 0 to 1: it never goes back behind this.
    progress_floor = models.FloatField(default=0)

    # Checking what became of the copy: the next check of Moodle, or the next request for the status of a followed copy.
    check_at = models.DateTimeField(null=True)
    # Checks that were tried, and those that Moodle answered, since the checking began or an error came.
    checks = models.PositiveIntegerField(default=0)
    looks = models.PositiveIntegerField(default=0)
    checking_since = models.DateTimeField(null=True)
    # Seconds for which the site could not be used while this job was checked: its deadline is later by them.
    paused_seconds = models.FloatField(default=0)

    # The empty course that Moodle's error left, from when its deletion begins.
    shell_course_id = models.BigIntegerField(null=True)
    # How many such courses were deleted; after each the request was sent again.
    shell_deletions = models.PositiveSmallIntegerField(default=0)

    # The code of the error that ended the request, while it is checked what the error left behind.
    request_error = models.CharField(max_length=100, blank=True)
    # How it ended. Empty unless the job failed.
    failure_code = models.CharField(max_length=100, blank=True)
    failure_message = models.TextField(blank=True)
    # The last error that Moodle answered to the request, as Moodle sent it: errorcode, message, debuginfo.
    moodle_error = models.JSONField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    # A partial course or an unwanted copy that was deleted in Moodle through this job.
    course_deleted_at = models.DateTimeField(null=True)
    # The comparison of the copy with its source, and when one that was not possible is tried again.
    verification = models.JSONField(null=True)
    # What the plugin reports of a complete copy, in its own form: "activities", "missing", "pointing".
    moodle_report = models.JSONField(null=True)
    verify_at = models.DateTimeField(null=True)

    # Who looks after a failure, what that person noted, and since when nobody needs to do anything about it any more.
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
        # For each filter of the list, and for each order (bench/pages.py names the queries that read a whole table).
        indexes = [
            models.Index(fields=["state", "created_at", "id"], name="job_by_state"),
            models.Index(fields=["created_at", "id"], name="job_by_age"),
            models.Index(fields=["requester", "created_at", "id"], name="job_by_requester"),
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
            models.Index(fields=["source_id", "created_at", "id"], name="job_by_source"),
            models.Index(fields=["category_id", "created_at", "id"], name="job_by_category"),
            models.Index(fields=["chosen_options", "created_at", "id"], name="job_by_options"),
            models.Index(fields=["state", "failure_code", "created_at", "id"], name="job_by_cause"),
            models.Index(fields=["state", "course_id"], name="job_by_left_course"),
            models.Index(
                fields=["likely_course_id"], name="job_by_likely_course", condition=Q(likely_course_id__isnull=False)
            ),
            models.Index(fields=["state", "finished_at"], name="job_by_state_and_end"),
            models.Index(fields=["course_id"], name="job_by_course", condition=Q(course_id__isnull=False)),
            models.Index(fields=["finished_at", "id"], name="job_by_end"),
            models.Index(between("started_at", "finished_at"), "id", name="job_by_duration"),
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
    def wants_course_settings(self) -> bool:
        """Whether the copy is to have dates or an idnumber of its own."""
        return bool(self.startdate or self.enddate or self.idnumber)

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def is_scheduled(self) -> bool:
        """Queued, but not to be started yet."""
        return self.state == State.QUEUED and self.not_before is not None and self.not_before > timezone.now()

    @property
    def is_delayed(self) -> bool:
        """Queued, and in the delay of an automatic retry."""
        return self.state == State.QUEUED and self.retry_at is not None and self.retry_at > timezone.now()

    @property
    def is_proven(self) -> bool:
        """True when ``course_id`` is known to be the course this job made."""
        return self.course_id is not None and self.proof != Proof.NONE

    @property
    def left_partial_course(self) -> bool:
        """True for a failed job whose own, incomplete course is still in Moodle."""
        return self.state == State.FAILED and self.is_proven and self.course_deleted_at is None

    @property
    def may_have_left_course(self) -> bool:
        """True for a failed job beside which a course was seen that is likely its own, without proof."""
        likely = self.likely_course_id is not None and not self.is_proven
        return self.state == State.FAILED and likely and self.course_deleted_at is None

    @property
    def own_course(self) -> dict[str, Any] | None:
        """The proven course as it was last seen: the fields of ``TrackedCourse``."""
        return next((course for course in self.facts.get("courses", []) if course["id"] == self.course_id), None)

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """Courses that may be this job's, without proof, as last seen: the fields of ``TrackedCourse``."""
        return [course for course in self.facts.get("courses", []) if course["id"] != self.course_id]

    def elapsed(self, now: datetime | None = None) -> timedelta | None:
        """From the start of the work to its end, or until now; None before it."""
        if self.started_at is None:
            return None
        return (self.finished_at or now or timezone.now()) - self.started_at


class JobEvent(models.Model):
    """One recorded change of a job: who, when, from which state to which, and why. Events are never changed."""

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
    # Moodle's raw words, course ids and the like: for the help desk.
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["job", "id"], name="event_by_job")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


class MoodleHealth(models.Model):
    """The state of the Moodle site; one row. While ``paused_at`` is set nothing is sent (rule 6)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    paused_at = models.DateTimeField(null=True)
    # Paused because the site is down, not because somebody has to change its configuration.
    is_outage = models.BooleanField(default=False)
    fault_code = models.CharField(max_length=100, blank=True)
    fault_message = models.TextField(blank=True)
    advice = models.TextField(blank=True)
    probe_at = models.DateTimeField(null=True)
    last_response_at = models.DateTimeField(null=True)
    site_name = models.CharField(max_length=255, blank=True)
    site_url = models.CharField(max_length=500, blank=True)
    release = models.CharField(max_length=100, blank=True)
    driver = models.CharField(max_length=20, blank=True)
    may_delete = models.BooleanField(default=False)
    # When the cron of the Moodle was started last, as the plugin says; null: not known, or never.
    cron_run_at = models.DateTimeField(null=True)
    # The token may call core_course_update_courses.
    may_update = models.BooleanField(default=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_moodle")]

    def __str__(self) -> str:
        return f"{self.site_name or 'Moodle'} ({'paused' if self.paused_at else 'open'})"

    @classmethod
    def current(cls) -> "MoodleHealth":
        return cls.objects.get_or_create(id=1)[0]


class ClusterHeartbeat(models.Model):
    """One running django-q2 cluster of one host: the proof for its supervisor that the cluster works.

    All hosts share the queues, so a heartbeat may come out at another host. ``token`` is the last heartbeat of this
    cluster's supervisor that came out anywhere; ``at`` is when a worker of this cluster last ran anybody's heartbeat.
    """

    worker_group = models.CharField(primary_key=True, max_length=50)
    cluster = models.CharField(max_length=50)
    host = models.CharField(max_length=255)
    started_at = models.DateTimeField(auto_now_add=True)
    token = models.CharField(max_length=32, blank=True)
    at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.cluster} on {self.host} at {self.at}"


class FinishedSweep(models.Model):
    """The last sweep that did its database work; one row. The supervisor enqueues the next sweep after it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    token = models.CharField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_finished_sweep")]

    def __str__(self) -> str:
        return f"sweep {self.token} at {self.at}"


class DatabaseWriteProbe(models.Model):
    """The supervisor writes this one row to learn whether the database accepts writes."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_write_probe")]

    def __str__(self) -> str:
        return f"written at {self.at}"


class DatabaseLock(models.Model):
    """A lock that workers on all hosts share. It is held while ``token`` is set and ``expires_at`` is in the future."""

    name = models.CharField(primary_key=True, max_length=50)
    token = models.CharField(max_length=32, blank=True)
    # On the database's clock.
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}, {'held' if self.token else 'free'}"

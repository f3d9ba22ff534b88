"""The database table for what dupdash knows about the Moodle site."""

from django.db import models
from django.db.models import Q


class MoodleHealth(models.Model):
    """What dupdash knows about the Moodle site, in a single row.

    While ``paused_at`` is set, dispatch is paused because of a fault of the whole site (rule 6).
    """

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
    # When Moodle's cron last ran, as the plugin reports; null: unknown, or never.
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

    @classmethod
    def last_known(cls) -> "MoodleHealth":
        """Return the row without writing to the database; an unsaved one before the first contact with Moodle."""
        return cls.objects.filter(id=1).first() or cls()

"""The database table in which all processes on all hosts add up their counts."""

from django.db import models


class Counter(models.Model):
    """A count: how often something happened since the database was created, and how many seconds it took in total.

    The numbers only grow, so that Prometheus can read them as counters.
    """

    # What was counted, for example "moodle_calls"; its subject and outcome have a meaning for each name.
    name = models.CharField(max_length=40)
    subject = models.CharField(max_length=100, blank=True)
    outcome = models.CharField(max_length=40, blank=True)
    count = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "subject", "outcome"], name="one_row_per_counter")]

    def __str__(self) -> str:
        return f"{self.name} {self.subject} {self.outcome}: {self.count}"

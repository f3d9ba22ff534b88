"""The database tables in which workers and the supervisor show that they work, and the table of shared locks."""

from typing import TypeVar

from django.db import models
from django.db.models import Q


class ClusterHeartbeat(models.Model):
    """A django-q2 cluster of one host, with the heartbeats that show whether it works.

    All hosts share the queues, so a worker of any host may run a heartbeat. ``token``: the last heartbeat that this
    cluster's supervisor sent and that ran on any host. ``at``: when a worker of this cluster last ran a heartbeat,
    whichever host sent it.
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
    """The last sweep that has ended its database work, even with an error. The table has one row.

    When the row has the sweep's token, the supervisor may enqueue the next sweep.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    token = models.CharField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_finished_sweep")]

    def __str__(self) -> str:
        return f"sweep {self.token} at {self.at}"


class DatabaseWriteProbe(models.Model):
    """The last successful write of the supervisor, as a single row: it shows that the database accepts writes."""

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


SingleRow = TypeVar("SingleRow", FinishedSweep, DatabaseWriteProbe)


def store_single_row(row: SingleRow) -> None:
    """Insert the row of a table that has only one, or replace it, with one statement."""
    columns = [field.name for field in row._meta.concrete_fields if not field.primary_key]
    type(row)._base_manager.bulk_create([row], update_conflicts=True, unique_fields=["id"], update_fields=columns)

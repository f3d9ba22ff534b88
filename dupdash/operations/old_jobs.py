"""Deletes old finished jobs, and can archive them first."""

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.duplication.states import TERMINAL, State

JOBS_AT_ONCE = 500


def old_jobs(before: datetime) -> QuerySet[DuplicationJob]:
    """Return the jobs that finished before this time and can be deleted.

    A job with a retry is kept until the retry is deleted. A failed job whose course is still in Moodle is kept, because
    nothing else in dupdash records that course.
    """
    retries = DuplicationJob.objects.filter(retry_of=OuterRef("pk"))
    course_left = Q(course_id__isnull=False) | Q(likely_course_id__isnull=False)
    return (
        DuplicationJob.objects.filter(state__in=TERMINAL, finished_at__lt=before)
        .exclude(course_left, state=State.FAILED, course_deleted_at__isnull=True)
        .exclude(Exists(retries))
        .order_by("finished_at", "pk")
    )


def prune(before: datetime, archive: Path | None) -> Iterator[int]:
    """Delete old jobs with their events, in portions. Yields the number of jobs deleted so far.

    ``archive``: a new file of gzipped JSON with one job per line; None: no archive. Each portion is written and
    synchronised to the disk before it is deleted. Raises FileExistsError if the file exists, and OSError if it cannot
    be written.
    """
    deleted = 0
    with gzip.open(archive, "xt", encoding="utf-8") if archive else nullcontext() as file:
        while portion := list(old_jobs(before)[:JOBS_AT_ONCE]):
            if file is not None:
                _write(file, portion)
            with transaction.atomic():
                DuplicationJob.objects.filter(pk__in=[job.pk for job in portion]).delete()
            deleted += len(portion)
            yield deleted


def _write(file: Any, jobs: list[DuplicationJob]) -> None:
    events: dict[str, list[dict[str, Any]]] = {job.pk: [] for job in jobs}
    for event in JobEvent.objects.filter(job__in=jobs).order_by("id").values():
        events[event["job_id"]].append(dict(event))
    for job in jobs:
        line = {field.attname: getattr(job, field.attname) for field in job._meta.concrete_fields}
        json.dump({**line, "events": events[job.pk]}, file, cls=DjangoJSONEncoder)
        file.write("\n")
    file.flush()
    os.fsync(file.buffer.fileobj.fileno())

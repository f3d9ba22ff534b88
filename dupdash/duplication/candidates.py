"""Finds the candidates that an administrator may delete, with the reasons for and against each."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from dupdash.duplication.drivers.lookup import courses_of_other_jobs
from dupdash.duplication.models import DuplicationJob


def deletable_candidates(job: DuplicationJob) -> list[dict[str, Any]]:
    """Return the candidates of a failed job that an administrator may delete.

    They are in the requested category, have a temporary name, and are not proven to be copies of other jobs.
    """
    if not job.may_have_left_course:
        return []
    of_others = courses_of_other_jobs(job)
    return [
        course
        for course in job.candidates
        if course["renamed"] and course["category_id"] == job.category_id and course["id"] not in of_others
    ]


def reasons(job: DuplicationJob, course: dict[str, Any]) -> tuple[str, ...]:
    """Return the reasons for and against this candidate being the course of the job, each as a sentence."""
    first_seen = datetime.fromtimestamp(course["first_seen"], UTC)
    category = "the requested category" if course["category_id"] == job.category_id else "another category"
    return (
        "Moodle gives copies of the source such a name while it restores them.",
        "It did not exist before the request was sent.",
        f"It is in {category}.",
        _same_source(job, first_seen),
        "It may also come from a person who restored the same source in Moodle.",
    )


def _same_source(job: DuplicationJob, first_seen: datetime) -> str:
    """Return whether another job copied the same source at the time when the candidate was first seen."""
    end = job.finished_at or timezone.now()
    still_there = Q(finished_at__isnull=True) | Q(finished_at__gte=job.sent_at or first_seen)
    others = DuplicationJob.objects.filter(still_there, source_id=job.source_id, sent_at__lte=min(first_seen, end))
    if others.exclude(pk=job.pk).exists():
        return "Another job copied the same source at that time, so it may belong to that job."
    return "No other job copied the same source at that time."

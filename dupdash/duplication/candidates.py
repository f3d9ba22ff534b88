"""Finds the candidates of a job that an administrator may delete, and gives reasons for and against a candidate."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from dupdash.duplication.drivers.lookup import courses_of_other_jobs
from dupdash.duplication.models import DuplicationJob


def deletable_candidates(job: DuplicationJob) -> list[dict[str, Any]]:
    """Return the candidates of a failed job that an administrator may delete.

    They are in the requested category, had a temporary name, and are not proven to be copies of other jobs.
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
    """Return why ``course``, a candidate of this job, may and may not be its copy, each reason as a sentence."""
    if course["id"] == job.evidence.get("answered"):
        return "Moodle’s answer says that this course is the copy.", "No lookup has confirmed this."
    category = "the requested category" if course["category_id"] == job.category_id else "another category"
    # A job of a site with the plugin has no baseline.
    earlier_name = "It did not have this name before the request was sent." if (job.baseline or {}).get("names") else ""
    found: tuple[str, ...]
    if course["renamed"]:
        found = (
            "It had a temporary name: Moodle gives such names to copies of the source while it restores them.",
            earlier_name,
            f"It is in {category}.",
            _same_source(job, datetime.fromtimestamp(course["first_seen"], UTC)),
            "It may also come from a person who restored the same source in Moodle.",
        )
    else:
        found = (
            "It had the requested short name when it was first seen.",
            earlier_name,
            f"It is in {category}.",
            "It may also come from a person who created a course with this short name in Moodle.",
        )
    return tuple(reason for reason in found if reason)


def _same_source(job: DuplicationJob, first_seen: datetime) -> str:
    """Return a sentence about other jobs that copied the same source before the candidate was first seen."""
    end = job.finished_at or timezone.now()
    still_there = Q(finished_at__isnull=True) | Q(finished_at__gte=job.sent_at or first_seen)
    others = DuplicationJob.objects.filter(still_there, source_id=job.source_id, sent_at__lte=min(first_seen, end))
    if others.exclude(pk=job.pk).exists():
        return "Another job copied the same source at the same time, so the course may come from that job."
    return "No other job copied the same source at the same time."

"""Finds the lookups that must not be made in Moodle now, because they could break a restore.

A lookup breaks the restore if it finds the row of a new course before Moodle has created the course's context
(docs/architecture.md, "Evidence"). A sent job may have such a row under its requested names until its request ends.
"""

from collections.abc import Iterable

from django.db.models import Q

from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.states import BUSY, UNFINISHED
from dupdash.moodle.name_comparison import short_name_key

# The request of such a job may still run in Moodle.
MAY_RUN = Q(state__in=UNFINISHED, sent_at__isnull=False, moodle_done_at__isnull=True)


def names_not_to_look_up(job: DuplicationJob, names: Iterable[str]) -> set[str]:
    """Return those ``names`` that are the short name of this job, or of a job whose request may run in Moodle now."""
    wanted = {short_name_key(name): name for name in names}
    own = {wanted[job.shortname_key]} if job.shortname_key in wanted else set()
    sent = DuplicationJob.objects.filter(MAY_RUN, shortname_key__in=wanted).values_list("shortname_key", flat=True)
    return own | {wanted[key] for key in sent}


def job_endangered_by_listing(category_ids: Iterable[int]) -> DuplicationJob | None:
    """Return a sent job whose restore could break if these categories were listed now.

    Returns None if there is no such job.
    """
    return _endangered_jobs().filter(category_id__in=set(category_ids)).first()


def _endangered_jobs() -> JobQuerySet:
    return DuplicationJob.objects.filter(MAY_RUN, state__in=BUSY, source_released_at__isnull=True)


def job_endangered_by_search(text: str) -> DuplicationJob | None:
    """Return a sent job whose restore could break if Moodle were searched for ``text`` now; None if there is none.

    A job counts until its source is released. Then its course was seen, so the context exists and a search is safe;
    or the course is overdue, and a search is very unlikely to find it in its first milliseconds. Copies with an
    idempotency key never count.
    """
    words = fold_text(text).split()
    for job in _endangered_jobs().only("pk", "fullname", "shortname"):
        names = fold_text(f"{job.fullname} {job.shortname}")
        if all(word in names for word in words):
            return job
    return None

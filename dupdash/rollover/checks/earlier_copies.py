"""Finds out whether the sources of a plan were already copied to the same term."""

from collections.abc import Iterable

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.request import DuplicationRequest
from dupdash.duplication.states import UNFINISHED, State
from dupdash.web.terms import same_term

# The maximum number of copies of one source that are compared, the newest first.
COMPARED = 50


class EarlierCopies:
    """The existing and unfinished copies of some sources, read with one query."""

    def __init__(self, source_ids: Iterable[int]) -> None:
        jobs = (
            DuplicationJob.objects.filter(source_id__in=set(source_ids), course_deleted_at__isnull=True)
            .filter(state__in=UNFINISHED | {State.SUCCEEDED})
            .order_by("-created_at")
            .only("pk", "source_id", "category_id", "shortname", "fullname")
        )
        self._by_source: dict[int, list[DuplicationJob]] = {}
        for job in jobs.iterator(chunk_size=500):
            self._by_source.setdefault(job.source_id, []).append(job)

    def of(self, request: DuplicationRequest) -> DuplicationJob | None:
        """Return the latest copy of this source to the same term: into the same category, or with a name for it."""
        for job in self._by_source.get(request.source_id, [])[:COMPARED]:
            if job.category_id == request.category_id or same_term(
                job.shortname, job.fullname, request.shortname, request.fullname
            ):
                return job
        return None

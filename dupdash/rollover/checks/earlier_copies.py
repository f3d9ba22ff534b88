"""Finds out whether a source was already copied to the term, or into the category, that a row requests."""

from collections.abc import Iterable

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.request import DuplicationRequest
from dupdash.web.earlier_copies import existing_copies, is_to_same_term

# The maximum number of copies of one source that are compared, the newest first.
COMPARED_MOST = 50


class EarlierCopies:
    """The existing and unfinished copies of some sources, read with one query."""

    def __init__(self, source_ids: Iterable[int]) -> None:
        jobs = existing_copies(set(source_ids)).only("pk", "source_id", "category_id", "shortname", "fullname")
        self._by_source: dict[int, list[DuplicationJob]] = {}
        for job in jobs.iterator(chunk_size=500):
            self._by_source.setdefault(job.source_id, []).append(job)

    def of(self, request: DuplicationRequest) -> DuplicationJob | None:
        """Return the latest copy of the requested source to the requested term or category; None if there is none.

        Only the latest COMPARED_MOST copies are compared.
        """
        jobs = self._by_source.get(request.source_id, [])[:COMPARED_MOST]
        return next((job for job in jobs if is_to_same_term(job, request)), None)

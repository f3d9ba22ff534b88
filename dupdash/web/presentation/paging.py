"""Pages of jobs, newest first, by key: the ten-thousandth costs what the first does, and nothing shifts between two."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from dupdash.duplication.models import DuplicationJob

PAGE = 25


@dataclass(frozen=True)
class Key:
    """The place of a job in the list."""

    created_at: datetime
    id: str

    @classmethod
    def of(cls, job: DuplicationJob) -> "Key":
        return cls(job.created_at, job.pk)

    @classmethod
    def read(cls, text: str | None) -> "Key | None":
        """A key from an address; None for one that is none."""
        moment, _, job_id = (text or "").partition("_")
        try:
            at = datetime.fromisoformat(moment)
            # The databases keep moments in UTC: one of the first or last hours that there are has none there.
            return cls(at.astimezone(UTC), job_id) if at.tzinfo and job_id and "\0" not in job_id else None
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}_{self.id}"

    # The first condition alone lets the index do its work; the second parts jobs of the same moment.
    def older(self) -> Q:
        return Q(created_at__lte=self.created_at) & (Q(created_at__lt=self.created_at) | Q(id__lt=self.id))

    def newer(self) -> Q:
        return Q(created_at__gte=self.created_at) & (Q(created_at__gt=self.created_at) | Q(id__gt=self.id))


@dataclass(frozen=True)
class Page:
    jobs: tuple[DuplicationJob, ...]
    newer: Key | None
    older: Key | None


def page_of(jobs: QuerySet[DuplicationJob], asked: Mapping[str, str], size: int = PAGE) -> Page:
    """The page that ``before`` or ``after`` in an address asks for; the newest without either."""
    before, after = Key.read(asked.get("before")), Key.read(asked.get("after"))
    if after is not None:
        found = list(jobs.filter(after.newer()).order_by("created_at", "id")[: size + 1])
        more = len(found) > size
        shown = tuple(reversed(found[:size]))
        if not more:
            # The newest page is always a full one.
            return page_of(jobs, {}, size)
        return Page(shown, Key.of(shown[0]), Key.of(shown[-1]))
    following = jobs if before is None else jobs.filter(before.older())
    found = list(following.order_by("-created_at", "-id")[: size + 1])
    shown = tuple(found[:size])
    if before is not None and not shown:
        # There is nothing on this page, which is not to say that there are no copies.
        return page_of(jobs, {}, size)
    return Page(
        shown,
        Key.of(shown[0]) if before is not None else None,
        Key.of(shown[-1]) if len(found) > size else None,
    )


def between(jobs: QuerySet[DuplicationJob], first: Key, last: Key) -> QuerySet[DuplicationJob]:
    """The jobs of a page as it was shown: what came later does not push its rows away."""
    newer, older = first.newer(), last.older()
    return jobs.filter(~newer, ~older).order_by("-created_at", "-id")


def address(path: str, **query: object) -> str:
    kept = {name: str(value) for name, value in query.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path

"""Sorts and pages the list of copies. A page begins after a job, not at a number (keyset pagination).

So the thousandth page is as fast as the first, and jobs that are added meanwhile do not shift the pages. An order can
have several parts that follow each other, for example first the unfinished jobs, then the ended ones. Each part is a
query, sorted by one value and then by id; large parts use an index.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from django.db.models import Expression, F, Q
from django.db.models.lookups import IsNull

from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.duplication.planner_hints import SortedInMemory
from dupdash.duplication.sql_durations import between
from dupdash.duplication.states import BUSY, TERMINAL, TRANSITIONS, UNFINISHED
from dupdash.web.job_list.search import Lookup

PAGE = 25


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


def _number(text: str) -> int:
    number = int(text)
    if abs(number) >= 1 << 63:
        raise ValueError(text)
    return number


@dataclass(frozen=True)
class Key:
    """The position of a job in an order: the part, the value by which the part is sorted, and the id."""

    part: int
    value: Any
    id: str

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        return f"{self.part}.{value}_{self.id}"


@dataclass(frozen=True)
class Part:
    """A part of an order: the jobs that match a condition, sorted by one value."""

    value: Expression | F
    # Reads the value from a URL.
    read: Callable[[str], Any]
    descending: bool = False
    where: Q = field(default_factory=Q)
    # The states that occur in it.
    states: frozenset[str] = frozenset(TRANSITIONS)
    # Whether few jobs match this part at any time.
    is_small: bool = False

    def sorted(self, jobs: JobQuerySet, *, backwards: bool = False, in_memory: bool = False) -> JobQuerySet:
        sign = "-" if self.descending != backwards else ""
        value = SortedInMemory(self.value) if in_memory or self.is_small else self.value
        return jobs.annotate(sort_value=value).filter(self.where).order_by(f"{sign}sort_value", f"{sign}id")

    def take(self, found: "Found", count: int, after: Key | None, *, backwards: bool) -> list[DuplicationJob]:
        """Return up to ``count`` jobs of this part that follow the position ``after``, or precede it if ``backwards``.

        The nearest job comes first. Without a position, return the first jobs, or the last ones if ``backwards``.
        """
        if found.size in NEAR and not self.is_small:
            taken = self._take_near(found, count, after, backwards=backwards)
            if taken is not None:
                return taken
        jobs = found.scanned if self.is_small else found.indexed
        jobs = self.sorted(jobs, backwards=backwards, in_memory=found.size != Size.UNKNOWN)
        return list(self._beyond(jobs, after, backwards=backwards)[:count])

    def _take_near(
        self, found: "Found", count: int, after: Key | None, *, backwards: bool
    ) -> list[DuplicationJob] | None:
        """Look for the jobs that ``take`` returns only among the next rows in the order of this part (NEAR).

        Returns None if these rows contain too few. They usually contain enough if many jobs match. Otherwise, further
        reading could read the whole table.
        """
        # All jobs with a value, not only those of this part: then the index alone tells where the next rows end.
        every = DuplicationJob.objects.annotate(sort_value=self.value).filter(Q(sort_value__isnull=False))
        every = self._beyond(every, after, backwards=backwards)
        sign, further = ("-", "gte") if self.descending != backwards else ("", "lte")
        values = every.order_by(f"{sign}sort_value").values_list("sort_value", flat=True)
        jobs = self._beyond(self.sorted(found.scanned, backwards=backwards), after, backwards=backwards)
        for near in NEAR[found.size]:
            last = values[near : near + 1].first()
            if last is None:
                return list(jobs[:count])
            taken = list(jobs.filter(**{f"sort_value__{further}": last})[:count])
            if len(taken) == count:
                return taken
        return None

    def _beyond(self, jobs: JobQuerySet, after: Key | None, *, backwards: bool) -> JobQuerySet:
        """Return those of ``jobs`` that follow the position ``after`` in this part, or precede it if ``backwards``.

        ``jobs`` must be annotated with ``sort_value``. Without a position, return all of them.
        """
        if after is None:
            return jobs
        further = "lt" if self.descending != backwards else "gt"
        # The ``AND`` condition with the value alone lets the database use the index. The ``OR`` condition separates
        # jobs with the same value.
        return jobs.filter(
            Q(**{f"sort_value__{further}": after.value}) | Q(**{f"id__{further}": after.id}),
            **{f"sort_value__{further}e": after.value},
        )


class Size(Enum):
    """The rough number of matching jobs, which decides how a page of them is queried."""

    UNKNOWN = "unknown"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


# How many rows of an order are searched for a page, one number after the other. If none suffices, all matches are
# sorted. With a million jobs 20,000 rows take about 40 ms.
NEAR = {Size.MEDIUM: (20_000,), Size.LARGE: (2000, 6000, 20_000)}


@dataclass(frozen=True)
class Found:
    """The matching jobs as queries: ``indexed`` uses the indexes of the filters, ``scanned`` the index of an order."""

    indexed: JobQuerySet
    scanned: JobQuerySet
    # The same jobs as one or more queries, each of which can use an index. No job is in two of them.
    alternatives: tuple[JobQuerySet, ...]
    # The states that the jobs may have; None: any.
    states: frozenset[str] | None = None
    size: Size = Size.UNKNOWN
    # How ``indexed`` finds the words of the search.
    lookup: Lookup = field(default_factory=Lookup)

    @classmethod
    def all_of(cls, jobs: JobQuerySet) -> "Found":
        return cls(jobs, jobs, (jobs,))

    def each(self, change: Callable[[JobQuerySet], JobQuerySet]) -> "Found":
        return replace(
            self,
            indexed=change(self.indexed),
            scanned=change(self.scanned),
            alternatives=tuple(change(one) for one in self.alternatives),
        )

    def ids(self, most: int) -> list[str]:
        """Return the ids of the matching jobs, at most ``most``, in no order."""
        found: dict[str, None] = {}
        for jobs in self.alternatives:
            # A job that changes meanwhile may be in two of the answers.
            found |= dict.fromkeys(jobs.order_by().values_list("pk", flat=True)[: most - len(found)])
        return list(found)


@dataclass(frozen=True)
class Order:
    label: str
    parts: tuple[Part, ...]

    def take(
        self, found: Found, count: int, after: Key | None = None, *, backwards: bool = False
    ) -> list[tuple[Key, DuplicationJob]]:
        """Return up to ``count`` jobs that follow the position ``after`` in this order, or precede it if ``backwards``.

        The nearest job comes first. Without a position, return the first jobs, or the last ones if ``backwards``. Each
        part is a query. If a job moves to another part between two queries, it can be missing.
        """
        taken: list[tuple[Key, DuplicationJob]] = []
        for number, part in sorted(enumerate(self.parts), reverse=backwards):
            if after is not None and (number > after.part if backwards else number < after.part):
                continue
            if found.states is not None and found.states.isdisjoint(part.states):
                continue
            here = after if after is not None and after.part == number else None
            known = {job.pk for _, job in taken}
            following = [job for job in part.take(found, count, here, backwards=backwards) if job.pk not in known]
            taken += (
                (Key(number, job.sort_value, job.pk), job)  # type: ignore[attr-defined]
                for job in following[: count - len(taken)]
            )
            if len(taken) == count:
                break
        return taken

    def key_in(self, text: str | None) -> Key | None:
        """Return the key that a string from a URL describes; None if it is not a key of this order."""
        number, _, rest = (text or "").partition(".")
        value, _, job_id = rest.rpartition("_")
        try:
            index = _number(number)
            part = self.parts[index]
            return Key(index, part.read(value), job_id) if index >= 0 and job_id and "\0" not in rest else None
        except (ValueError, OverflowError, IndexError):
            return None


def _order(label: str, value: Expression | F, read: Callable[[str], Any] = str, *, descending: bool = False) -> Order:
    return Order(label, (Part(value, read, descending),))


def _order_with_missing(label: str, value: Expression | F, read: Callable[[str], Any], *, descending: bool) -> Order:
    """Return an order by a value that some jobs lack. Jobs without the value come last."""
    known = Part(value, read, descending, Q(sort_value__isnull=False))
    return Order(label, (known, Part(F("id"), str, where=Q(IsNull(value, True)))))


_CREATED, _FINISHED, _TOOK = F("created_at"), F("finished_at"), between("started_at", "finished_at")


def _unfinished(states: frozenset[str]) -> Part:
    return Part(_CREATED, _moment, True, Q(state__in=states), states, is_small=True)


_ACTIVE_FIRST = (
    _unfinished(BUSY),
    _unfinished(UNFINISHED - BUSY),
    # "NOT IN", not "IN": with "IN" the database uses the index of states and sorts all ended jobs.
    Part(_CREATED, _moment, True, ~Q(state__in=UNFINISHED), TERMINAL),
)

DEFAULT = "active"
BY_CREATION = (DEFAULT, "-created", "created")
ORDERS: dict[str, Order] = {
    DEFAULT: Order("Unfinished first", _ACTIVE_FIRST),
    "-created": _order("Newest first", _CREATED, _moment, descending=True),
    "created": _order("Oldest first", _CREATED, _moment),
    "-finished": _order_with_missing("Last finished first", _FINISHED, _moment, descending=True),
    "finished": _order_with_missing("First finished first", _FINISHED, _moment, descending=False),
    "-took": _order_with_missing("Longest duration first", _TOOK, _number, descending=True),
    "took": _order_with_missing("Shortest duration first", _TOOK, _number, descending=False),
    "copy": _order("Short name, A to Z", F("shortname_key")),
    "-copy": _order("Short name, Z to A", F("shortname_key"), descending=True),
    "source": _order("Source, A to Z", F("source_key")),
    "-source": _order("Source, Z to A", F("source_key"), descending=True),
    "person": _order("Requester, A to Z", F("requester_key")),
    "-person": _order("Requester, Z to A", F("requester_key"), descending=True),
}


def reverse_of(name: str) -> str:
    """Return the name of the reverse of an order: "-created" for "created"."""
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"


@dataclass(frozen=True)
class Page:
    jobs: tuple[DuplicationJob, ...]
    # The keys of the page before this one and of the one after it; empty where there is none.
    previous: str
    next: str

    @property
    def is_first(self) -> bool:
        return not self.previous


def page_of(found: Found, order: Order, asked: Mapping[str, str], size: int = PAGE) -> Page:
    """Return the page that ``next`` or ``previous`` in the URL asks for; without either, or if it is empty, the first.

    ``asked``: the query parameters of the URL.
    """
    after, before = order.key_in(asked.get("next")), order.key_in(asked.get("previous"))
    if before is not None:
        shown = order.take(found, size + 1, before, backwards=True)
        if len(shown) <= size:
            # The first page is always a full one.
            return page_of(found, order, {}, size)
        return _page(shown[:size][::-1], previous=True, following=True)
    shown = order.take(found, size + 1, after)
    if after is not None and not shown:
        # The jobs of this page moved on meanwhile; the others are still there.
        return page_of(found, order, {}, size)
    return _page(shown[:size], previous=after is not None, following=len(shown) > size)


def _page(shown: list[tuple[Key, DuplicationJob]], *, previous: bool, following: bool) -> Page:
    return Page(
        tuple(job for _, job in shown),
        str(shown[0][0]) if previous else "",
        str(shown[-1][0]) if following else "",
    )


def load_jobs(ids: Iterable[str]) -> list[DuplicationJob]:
    """Return the jobs with their requesters and assignees, in the order of ``ids``. Deleted jobs are left out."""
    ids = list(ids)
    found = DuplicationJob.objects.select_related("requester", "assignee").in_bulk(ids)
    return [found[job_id] for job_id in ids if job_id in found]

"""The orders of the history, and its pages by key: for each order the tenth page costs what the first does.

A page ends at a job, not at a number: what is added or moves meanwhile shifts nothing. The order's own value and the
id of the job are its key; values that may be missing are given one, so that every job has a place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import CharField, Expression, F, Q, Value
from django.db.models.functions import Coalesce, Concat, Lower, NullIf, Trim

from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.web.sql_durations import between

PAGE = 25
NOT_FINISHED = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Order:
    """By which value jobs are sorted, and how that value is read from an address."""

    value: Expression | F
    read: Callable[[str], Any]

    def words(self, value: Any) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)


@dataclass(frozen=True)
class Sort:
    label: str
    order: Order
    descending: bool

    def sorted(self, jobs: JobQuerySet, *, backwards: bool = False) -> JobQuerySet:
        sign = "-" if self.descending != backwards else ""
        return jobs.annotate(sort_value=self.order.value).order_by(f"{sign}sort_value", f"{sign}id")

    def beyond(self, key: "Key", *, backwards: bool = False) -> Q:
        way = "lt" if self.descending != backwards else "gt"
        # The first condition alone lets an index do its work; the second parts jobs of the same value.
        further = Q(**{f"sort_value__{way}": key.value}) | Q(**{f"id__{way}": key.id})
        return Q(**{f"sort_value__{way}e": key.value}) & further

    def key_of(self, job: DuplicationJob) -> str:
        value = job.sort_value  # type: ignore[attr-defined] # the annotation
        return f"{self.order.words(value)}_{job.pk}"

    def key_in(self, text: str | None) -> "Key | None":
        """A key from an address; None for one that is none."""
        value, _, job_id = (text or "").rpartition("_")
        try:
            return Key(self.order.read(value), job_id) if job_id and "\0" not in value + job_id else None
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class Key:
    value: Any
    id: str


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


_full_name = NullIf(Trim(Concat("requester__first_name", Value(" "), "requester__last_name")), Value(""))
_ORDERS: dict[str, tuple[Order, str, str]] = {
    "created": (Order(F("created_at"), _moment), "Oldest first", "Newest first"),
    "finished": (
        Order(Coalesce("finished_at", Value(NOT_FINISHED)), _moment),
        "Finished first",
        "Finished last",
    ),
    "took": (Order(Coalesce(between("started_at", "finished_at"), Value(-1)), _number), "Shortest", "Longest"),
    "copy": (Order(F("shortname_key"), str), "Short name, A to Z", "Short name, Z to A"),
    "source": (Order(Lower("source_shortname"), str), "Source, A to Z", "Source, Z to A"),
    "person": (
        Order(
            Lower(Coalesce(_full_name, "requester__username", Value(""), output_field=CharField())),
            str,
        ),
        "Person, A to Z",
        "Person, Z to A",
    ),
}
NEWEST_FIRST = "-created"
SORTS: dict[str, Sort] = {
    NEWEST_FIRST: Sort("Newest first", _ORDERS["created"][0], descending=True),
    **{name: Sort(upwards, order, descending=False) for name, (order, upwards, _) in _ORDERS.items()},
    **{f"-{name}": Sort(downwards, order, descending=True) for name, (order, _, downwards) in _ORDERS.items()},
}


def turned(name: str) -> str:
    """The same order the other way round."""
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"


@dataclass(frozen=True)
class Page:
    jobs: tuple[DuplicationJob, ...]
    # The key to the page before this one, and to the one after it; empty where there is none.
    previous: str
    next: str


def page_of(jobs: JobQuerySet, sort: Sort, asked: Mapping[str, str], size: int = PAGE) -> Page:
    """The page that ``next`` or ``previous`` in an address asks for; the first one without either."""
    forward, back = sort.key_in(asked.get("next")), sort.key_in(asked.get("previous"))
    if back is not None:
        before = sort.sorted(jobs, backwards=True).filter(sort.beyond(back, backwards=True))
        found = list(before[: size + 1])
        if len(found) <= size:
            # The first page is always a full one.
            return page_of(jobs, sort, {}, size)
        shown = tuple(reversed(found[:size]))
        return Page(shown, sort.key_of(shown[0]), sort.key_of(shown[-1]))
    following = sort.sorted(jobs)
    if forward is not None:
        following = following.filter(sort.beyond(forward))
    found = list(following[: size + 1])
    shown = tuple(found[:size])
    if forward is not None and not shown:
        # What stood here moved on meanwhile; the others are still there.
        return page_of(jobs, sort, {}, size)
    return Page(
        shown,
        sort.key_of(shown[0]) if forward is not None else "",
        sort.key_of(shown[-1]) if len(found) > size else "",
    )

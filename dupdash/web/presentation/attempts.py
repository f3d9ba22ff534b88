"""Lists all attempts at one copy: a job, the earlier jobs that it retries, and the later jobs that retry it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dupdash.duplication.models import DuplicationJob
from dupdash.web.presentation.shown_state import shown_state

# The longest chain of attempts that is shown.
ATTEMPTS_MOST = 50


@dataclass(frozen=True)
class Attempt:
    id: str
    number: int
    state: str


@dataclass(frozen=True)
class Attempts:
    """All attempts in their order. ``number``: which of them the page shows, counted from 1."""

    all: tuple[Attempt, ...]
    number: int

    @property
    def latest(self) -> Attempt:
        return self.all[-1]

    @property
    def is_latest(self) -> bool:
        return self.number == len(self.all)


def attempts_of(job: DuplicationJob) -> Attempts | None:
    """Return the attempts; None for a job that neither is a retry nor was retried."""
    if job.retry_of_id is None and not job.is_retried:
        return None
    earlier = _chain(job, lambda one: one.retry_of)
    later = _chain(job, lambda one: one.retries.order_by("created_at").last())
    chain = [*reversed(earlier), job, *later]
    shown = tuple(Attempt(one.pk, number, shown_state(one)) for number, one in enumerate(chain, start=1))
    return Attempts(shown, len(earlier) + 1)


def attempt_numbers(jobs: Iterable[DuplicationJob]) -> dict[str, int]:
    """Return, by job id, which attempt at its copy each retry among these jobs is: 2 or more.

    Counting stops at ATTEMPTS_MOST. It needs one query for each earlier attempt of the longest chain.
    """
    before: dict[str, str] = {job.pk: job.retry_of_id for job in jobs if job.retry_of_id}
    numbers = dict.fromkeys(before, 1)
    while before and max(numbers.values()) < ATTEMPTS_MOST:
        for job_id in before:
            numbers[job_id] += 1
        known = dict(
            DuplicationJob.objects.filter(pk__in=before.values(), retry_of__isnull=False).values_list("pk", "retry_of")
        )
        before = {job_id: old for job_id, last in before.items() if (old := known.get(last))}
    return numbers


def _chain(job: DuplicationJob, step: Callable[[DuplicationJob], DuplicationJob | None]) -> list[DuplicationJob]:
    found: list[DuplicationJob] = []
    following = step(job)
    while following is not None and len(found) < ATTEMPTS_MOST:
        found.append(following)
        following = step(following)
    return found

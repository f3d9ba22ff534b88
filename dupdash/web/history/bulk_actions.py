"""Trying again and cancelling several jobs at once: each by its own verb, and with its own refusal."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Count
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed
from dupdash.duplication import jobs
from dupdash.duplication.jobs import CannotDo
from dupdash.duplication.models import DuplicationJob, JobQuerySet
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import InvalidRequest, Problem
from dupdash.duplication.states import State
from dupdash.duplication.text_direction import isolate
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused
from dupdash.web.presentation.error_messages import held_by, job_in_the_way, words_of_error, words_of_problem

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# For each new attempt Moodle is asked a few questions while the browser waits.
AT_ONCE = 100
SECONDS = 20.0

VERBS = {"retry": Action.RETRY, "cancel": Action.CANCEL}
# Whether a verb may be of use; the verb itself has the last word on each job.
STATES: dict[Action, frozenset[str]] = {
    Action.RETRY: frozenset({State.FAILED, State.CANCELLED}),
    Action.CANCEL: frozenset(
        {State.AWAITING_APPROVAL, State.QUEUED, State.RUNNING, State.CHECKING, State.UNRESOLVED},
    ),
}


@dataclass(frozen=True)
class Reason:
    """What some of the chosen jobs are: why it is done to them, or why they are left alone."""

    count: int
    words: str


@dataclass(frozen=True)
class Choice:
    """What was chosen: the jobs it will be done to, why not to others, and how many are beyond one go."""

    jobs: tuple[DuplicationJob, ...]
    # In which states they are.
    kinds: tuple[Reason, ...]
    left_alone: tuple[Reason, ...]
    beyond: int

    @property
    def others(self) -> int:
        return sum(reason.count for reason in self.left_alone)


@dataclass(frozen=True)
class Refusal:
    id: str
    name: str
    # Each with the id of the job that is in the way, where this person may see it; else "".
    words: list[tuple[str, str]]


@dataclass(frozen=True)
class Told:
    """A refusal as it is shown: a session keeps no links."""

    id: str
    name: str
    words: SafeString


@dataclass
class Result:
    """What became of it, as the session keeps it for the page that tells."""

    done: int
    refusals: list[Refusal]
    # Jobs that nobody came to, and why.
    not_reached: int
    why: str


def offered(user: "User") -> list[Action]:
    """What this person may do to any job at all: to one of their own, if to none else."""
    own = DuplicationJob(requester=user)
    return [verb for verb in VERBS.values() if access.may(user, verb, own)]


def choose(chosen: JobQuerySet, verb: Action, user: "User") -> Choice:
    """Part what it can be done to from what it cannot; ``chosen`` is sorted, and the first are taken first."""
    ended = chosen.exclude(state__in=STATES[verb]).order_by().values_list("state").annotate(Count("id"))
    refused = Counter({State(state).label.lower(): count for state, count in ended})
    possible: list[str] = []
    fitting = chosen.filter(state__in=STATES[verb]).only("id", "state", "requester_id", "cancel_requested_at")
    for job in fitting:
        if words := _why_not(job, verb, user):
            refused[words] += 1
        else:
            possible.append(job.pk)
    loaded = DuplicationJob.objects.select_related("requester").in_bulk(possible[:AT_ONCE])
    first = tuple(loaded[job_id] for job_id in possible[:AT_ONCE] if job_id in loaded)
    return Choice(
        first,
        _counted(Counter(State(job.state).label.lower() for job in first)),
        _counted(refused),
        max(0, len(possible) - AT_ONCE),
    )


def _counted(words: Counter[str]) -> tuple[Reason, ...]:
    return tuple(Reason(count, kind) for kind, count in words.most_common())


def _why_not(job: DuplicationJob, verb: Action, user: "User") -> str:
    if not access.may(user, verb, job):
        return "not yours to change"
    if verb == Action.CANCEL and job.cancel_requested_at is not None:
        return "cancelled already, removed when Moodle is done"
    return ""


def do(chosen: Iterable[DuplicationJob], verb: Action, user: "User") -> Result:
    """Do it to one job after the other, until all are done, time is up, or Moodle does not answer."""
    chosen = list(chosen)
    if verb == Action.CANCEL:
        return _one_by_one(chosen, user, lambda job: jobs.cancel(job, actor=user))
    try:
        with open_client() as client:
            return _one_by_one(chosen, user, _retrying(user, client))
    except ConfigurationFault as fault:
        return Result(0, [], len(chosen), words_of_error(fault, user))


def _retrying(user: "User", client: MoodleClient) -> Callable[[DuplicationJob], object]:
    return lambda job: jobs.retry(job, actor=user, client=client)


def _one_by_one(chosen: list[DuplicationJob], user: "User", act: Callable[[DuplicationJob], object]) -> Result:
    until = time.monotonic() + SECONDS
    result = Result(0, [], 0, "")
    for number, job in enumerate(chosen):
        if time.monotonic() > until:
            result.not_reached, result.why = len(chosen) - number, "It took too long. Choose them once more."
            break
        try:
            act(job)
        except (CannotDo, NotAllowed, Refused) as refusal:
            result.refusals.append(_refusal(job, [(str(refusal), "")]))
        except InvalidRequest as invalid:
            result.refusals.append(_refusal(job, [_kept(problem, user) for problem in invalid.problems]))
        except MoodleError as error:
            # The next one would fare no better, and each would wait as long.
            result.not_reached, result.why = len(chosen) - number, words_of_error(error, user)
            break
        else:
            result.done += 1
    return result


def _kept(problem: Problem, user: "User") -> tuple[str, str]:
    held = job_in_the_way(problem, user)
    return (problem.message, held.pk) if held is not None else (words_of_problem(problem, user), "")


def told(refusals: Iterable[dict[str, Any]], user: "User") -> list[Told]:
    """The refusals that a session kept; a job that is in the way is named if it may be seen at this moment."""
    refusals = list(refusals)
    ids = {job_id for refusal in refusals for _, job_id in refusal["words"] if job_id}
    seen = access.visible_jobs(user).select_related("requester").in_bulk(list(ids)) if ids else {}

    def sentences(kept: Iterable[tuple[str, str]]) -> SafeString:
        words = (held_by(said, seen[job_id]) if job_id in seen else said for said, job_id in kept)
        return format_html_join(" ", "{}", ((said,) for said in words))

    return [Told(refusal["id"], refusal["name"], sentences(refusal["words"])) for refusal in refusals]


def _refusal(job: DuplicationJob, words: list[tuple[str, str]]) -> Refusal:
    return Refusal(job.pk, f"{isolate(job.fullname)} ({isolate(job.shortname)})", words)

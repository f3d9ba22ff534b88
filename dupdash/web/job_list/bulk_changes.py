"""Retries or cancels several jobs, one after the other. Each refusal is reported."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from dupdash.accounts import access
from dupdash.accounts.access import Action, NotAllowed
from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.name_display import isolate
from dupdash.duplication.request import InvalidRequest, Problem
from dupdash.duplication.states import RETRYABLE, UNFINISHED, State
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused
from dupdash.web.job_list.orders import Found, Order, load_jobs
from dupdash.web.presentation.error_messages import held_by, job_in_the_way, words_of_error, words_of_problem

# One bulk action changes at most this many jobs, and starts no further change after this many seconds: each retry sends
# a few requests to Moodle while the browser waits.
CHANGES_MOST = 100
CHANGING_LONGEST = 20.0
# To count why jobs cannot be changed, at most this many of them are read for each alternative of the filter.
EXAMINED_MOST = 300

ACTIONS = {"retry": Action.RETRY, "cancel": Action.CANCEL}
STATES: dict[Action, frozenset[str]] = {
    Action.RETRY: RETRYABLE,
    Action.CANCEL: UNFINISHED,
}
# The jobs that an action can change; the action itself decides on each job.
POSSIBLE = {
    Action.RETRY: Q(state__in=STATES[Action.RETRY], is_retried=False),
    Action.CANCEL: Q(state__in=STATES[Action.CANCEL], cancel_requested_at__isnull=True),
}


@dataclass(frozen=True)
class Choice:
    """The jobs that an action will change, and counts of the jobs that it cannot change."""

    jobs: tuple[DuplicationJob, ...]
    # Both are counts in words: "3 failed".
    states: tuple[str, ...]
    left_alone: tuple[str, ...]
    # More jobs match than one bulk action takes.
    more: bool


@dataclass(frozen=True)
class Refusal:
    id: str
    name: str
    # Each sentence with the id of the job that has the short name, if this person may see that job; otherwise "".
    words: list[tuple[str, str]]


@dataclass
class Result:
    """The outcome of a bulk action. The session stores it for the page that reports it."""

    done: int
    refusals: list[Refusal]
    # The number of jobs for which the action was not tried, and the reason.
    not_reached: int
    why: str


def offered(user: User) -> list[Action]:
    """Return the actions that this person may use on at least some jobs, for example on their own."""
    own = DuplicationJob(requester=user)
    return [action for action in ACTIONS.values() if access.may(user, action, own)]


def choose(chosen: Found, order: Order, action: Action, user: User) -> Choice:
    """Return the jobs that the action will change, and counts of the jobs that it cannot change.

    Of the jobs that it can change, it will change the first CHANGES_MOST in ``order``.
    """
    possible = POSSIBLE[action]
    if not access.may(user, action, DuplicationJob()):
        # This person may change only their own jobs.
        possible &= Q(requester=user)
    changing = order.take(chosen.each(lambda jobs: jobs.filter(possible).only("pk")), CHANGES_MOST + 1)
    first = tuple(load_jobs(job.pk for _, job in changing[:CHANGES_MOST]))
    reasons: Counter[str] = Counter()
    complete = True
    for alternative in chosen.alternatives:
        # The ids first: usually there are none, and an index is enough to find that out.
        ids = list(alternative.exclude(possible).order_by().values_list("pk", flat=True)[:EXAMINED_MOST])
        others = DuplicationJob.objects.only("state", "requester_id", "is_retried").in_bulk(ids)
        reasons.update(_why_not(job, action, user) for job in others.values())
        complete &= len(ids) < EXAMINED_MOST
    return Choice(
        first,
        _counted(Counter(State(job.state).label.lower() for job in first)),
        _counted(reasons, more="" if complete else " or more"),
        more=len(changing) > CHANGES_MOST,
    )


def _counted(words: Counter[str], *, more: str = "") -> tuple[str, ...]:
    return tuple(f"{count:,}{more} {kind}" for kind, count in words.most_common())


def _why_not(job: DuplicationJob, action: Action, user: User) -> str:
    """Return why an action cannot change a job, in words that fit after a number."""
    if job.state not in STATES[action]:
        return str(State(job.state).label.lower())
    if not access.may(user, action, job):
        return "that you may not change"
    return "already tried again" if action == Action.RETRY else "cancelled already"


def do(chosen: list[DuplicationJob], action: Action, user: User) -> Result:
    """Run an action on one job after the other. Stops after CHANGING_LONGEST, or if Moodle does not answer."""
    if action == Action.CANCEL:
        return _one_by_one(chosen, user, lambda job: jobs.cancel(job, actor=user))
    try:
        with open_client() as client:
            return _one_by_one(chosen, user, lambda job: jobs.retry(job, actor=user, client=client))
    except ConfigurationFault as fault:
        return Result(0, [], len(chosen), words_of_error(fault, user))


def _one_by_one(chosen: list[DuplicationJob], user: User, act: Callable[[DuplicationJob], object]) -> Result:
    until = time.monotonic() + CHANGING_LONGEST
    result = Result(0, [], 0, "")
    for number, job in enumerate(chosen):
        if time.monotonic() > until:
            result.not_reached, result.why = (
                len(chosen) - number,
                "The changes took too long. Select these copies again.",
            )
            break
        try:
            act(job)
        except (CannotDo, NotAllowed, Refused) as refusal:
            result.refusals.append(_refusal(job, [(str(refusal), "")]))
        except InvalidRequest as invalid:
            result.refusals.append(_refusal(job, [_sentence_for(problem, user) for problem in invalid.problems]))
        except MoodleError as error:
            # The next request would fail in the same way, and take as long.
            result.not_reached, result.why = len(chosen) - number, words_of_error(error, user)
            break
        else:
            result.done += 1
    return result


def _sentence_for(problem: Problem, user: User) -> tuple[str, str]:
    """Return the sentence about a problem, and the id of the job that has the requested short name already.

    The id is "" if the problem is another one, if no job has the name, or if this person may not see the job.
    """
    held = job_in_the_way(problem, user)
    return (problem.message, held.pk) if held is not None else (words_of_problem(problem, user), "")


def shown_refusals(refusals: Iterable[dict[str, Any]], user: User) -> list[dict[str, Any]]:
    """Return the refusals that the session has stored, with their sentences as HTML.

    A sentence about a reserved short name links to the job that has it, if the person may still see that job.
    """
    refusals = list(refusals)
    ids = {job_id for refusal in refusals for _, job_id in refusal["words"] if job_id}
    seen = access.visible_jobs(user).select_related("requester", "assignee").in_bulk(list(ids)) if ids else {}

    def sentences(kept: Iterable[tuple[str, str]]) -> SafeString:
        words = (held_by(said, seen[job_id]) if job_id in seen else said for said, job_id in kept)
        return format_html_join(" ", "{}", ((said,) for said in words))

    return [{**refusal, "words": sentences(refusal["words"])} for refusal in refusals]


def _refusal(job: DuplicationJob, words: list[tuple[str, str]]) -> Refusal:
    return Refusal(job.pk, f"{isolate(job.fullname)} ({isolate(job.shortname)})", words)

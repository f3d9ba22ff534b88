"""Prints the result table and the problems of an acceptance run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from .copies import Outcome

HEADINGS = ("scenario", "copies", "succeeded", "failed", "refused", "checked", "checking s", "median s", "problems")
NAMED_MOST = 4


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table: one line for each scenario in their order, and one line for the total."""
    by_scenario: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_scenario[outcome.request.scenario].append(outcome)
    rows = [HEADINGS, *(_row(name, some) for name, some in by_scenario.items()), _row("all", outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return one line of the table. Requests that must be refused are no copies and have their own column."""
    copies = [outcome for outcome in outcomes if not outcome.refused_as_expected]
    succeeded = [outcome.job for outcome in copies if outcome.succeeded and outcome.job]
    checked = [outcome.job for outcome in copies if outcome.job and outcome.job.was_checking]
    return (
        name,
        str(len(copies)),
        str(len(succeeded)),
        str(len(copies) - len(succeeded)),
        str(len(outcomes) - len(copies)),
        str(len(checked)),
        _median(job.checking_seconds for job in checked),
        _median(job.seconds for job in succeeded),
        str(sum(len(outcome.problems) for outcome in outcomes)),
    )


def _median(seconds: Iterable[float]) -> str:
    figures = list(seconds)
    return f"{median(figures):.1f}" if figures else "–"


def problems(outcomes: Sequence[Outcome]) -> list[str]:
    """Return each different problem once, with the scenario and the copies that have this problem."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for outcome in outcomes:
        for problem in outcome.problems:
            found[outcome.request.scenario, problem].append(outcome.request.stored_shortname)
    return [f"{scenario}: {_named(names)}: {problem}" for (scenario, problem), names in found.items()]


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_MOST} more" if len(names) > NAMED_MOST else ""
    return ", ".join(names[:NAMED_MOST]) + more

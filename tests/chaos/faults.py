"""Lists the faults of Moodle that a chaos run injects, and counts how often they strike."""

from collections import Counter
from typing import Any

from tests.chaos.environment import Installation

Fault = dict[str, object]
CONTENTS, BY_FIELD = "core_course_get_contents", "core_course_get_courses_by_field"
DELETE = "core_course_delete_courses"

# Faults that are set together, each with the share of calls that it strikes.
FAULTS: tuple[tuple[Fault, ...], ...] = (
    ({"name": "reset_before", "probability": 0.5},),
    ({"name": "reset_during", "probability": 0.3},),
    ({"name": "reset_after", "probability": 0.3},),
    ({"name": "gateway_timeout", "probability": 0.3},),
    ({"name": "bad_gateway", "probability": 0.3},),
    ({"name": "killed_in_backup", "probability": 0.2},),
    ({"name": "killed_in_restore", "probability": 0.2, "step": "hidden"},),
    ({"name": "killed_in_restore", "probability": 0.2, "step": "renamed"},),
    ({"name": "killed_in_restore", "probability": 0.2, "step": "content", "answer": "reset"},),
    ({"name": "exception_in_restore", "probability": 0.2},),
    ({"name": "exception_in_restore", "probability": 0.2, "errorcode": "none"},),
    ({"name": "empty", "probability": 0.3},),
    ({"name": "html", "probability": 0.3},),
    ({"name": "truncated", "probability": 0.3},),
    ({"name": "wrong_course", "probability": 0.3},),
    ({"name": "storedfilenotcreated", "probability": 0.5},),
    ({"name": "slow", "probability": 0.3, "factor": 10},),
    ({"name": "forbidden", "probability": 0.3},),
    ({"name": "persons_restore", "probability": 0.3},),
    ({"name": "disturbed", "probability": 0.4},),
    ({"name": "disturbed", "probability": 0.5}, {"name": "reset_after", "probability": 0.5, "function": DELETE}),
    ({"name": "disturbed", "probability": 0.5}, {"name": "killed_in_restore", "probability": 0.3, "step": "hidden"}),
    ({"name": "stall", "count": 1},),
    ({"name": "stall", "count": 1, "step": "renamed"},),
    ({"name": "html", "probability": 0.2, "function": "*"},),
    ({"name": "reset_before", "probability": 0.2, "function": "*"},),
    ({"name": "wrong_course", "probability": 0.1, "function": BY_FIELD},),
    ({"name": "refuse", "seconds": 1.5},),
    ({"name": "site_down"},),
    ({"name": "site_down", "answer": "page", "probability": 0.2},),
    ({"name": "notice", "function": "*"},),
    # Slow copies whose answer is lost: their course does not change for a long time although they will succeed.
    ({"name": "slow", "factor": 3}, {"name": "reset_during", "at": 0.1}),
    ({"name": "slow", "factor": 10}, {"name": "bad_gateway", "at": 0.1}),
    # Wrong answers to lookups while a copy is unfinished.
    ({"name": "slow", "factor": 10}, {"name": "wrong_course", "probability": 0.1, "function": BY_FIELD}),
    ({"name": "slow", "factor": 10}, {"name": "wrong_course", "count": 1, "function": CONTENTS}),
    (
        {"name": "killed_in_restore", "probability": 0.5, "step": "hidden"},
        {"name": "wrong_course", "count": 1, "function": CONTENTS},
    ),
)


def label(faults: tuple[Fault, ...]) -> str:
    """Return the name of these faults in the table."""
    return f"Moodle: {', '.join(_label(fault) for fault in faults)}"


def _label(fault: Fault) -> str:
    details = [str(fault[key]) for key in ("step", "answer", "errorcode", "factor", "function") if key in fault]
    return " ".join([str(fault["name"]), *details]).replace("core_course_get_", "")


def for_certain(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the fault changed so that it certainly strikes the next call once. Groups of faults are not changed."""
    return faults if len(faults) > 1 else tuple(fault | {"probability": 1, "count": 1} for fault in faults)


class SetFaults:
    """The faults that are set at the moment. The sandbox counts how often they strike."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._faults: tuple[Fault, ...] = ()
        self._struck: Counter[str] = Counter()

    def set(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        self._installation.control(fault=list(faults))

    def clear(self) -> tuple[tuple[Fault, ...], int]:
        """Clear the faults. Returns the faults that were set, and how often they struck in total."""
        faults, before = self._faults, self._struck
        told: dict[str, Any] = self._installation.control(clear=True)
        self._faults, self._struck = (), Counter(told["struck"])
        struck = self._struck - before
        return faults, min((struck[str(fault["name"])] for fault in faults), default=0)

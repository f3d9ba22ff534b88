"""Defines the faults of the sandbox. ``--fault``, the control endpoint and Python code can set them.

Every fault takes ``probability`` (default 1), ``count`` (how often it strikes; by default without limit) and
``function``: a web service function, or ``*`` for all of them. A function that the fault cannot affect is refused, and
``*`` leaves it out. Without ``function`` a fault strikes the two functions that copy a course; but ``invalid_response``
strikes all functions that read, ``odd_record`` all lists, and ``site_down`` every function. Further parameters, with
their defaults:

==================== ======================= ============================================================
name                 parameters              what happens
==================== ======================= ============================================================
refuse               seconds=2               connections are refused for that long from now on; probability, count
                                             and function have no effect
reset_before                                 RST before Moodle saw anything of the request
forbidden                                    403 with an empty body; Moodle saw nothing
site_down            answer=unavailable      a proxy answers; Moodle saw nothing
reset_during         at=0.3                  RST after this share of the copy; Moodle goes on
gateway_timeout      at=0.5                  504 after this share of the copy; Moodle goes on
bad_gateway          at=0.5                  502 after this share of the copy; Moodle goes on
reset_after                                  the work is done, then RST instead of the answer
empty                                        the work is done, then 200 without a body
html                                         the work is done, then 200 with an HTML page
truncated                                    the work is done, then 200 with half of the JSON
notice                                       the work is done, then HTML stands in front of the JSON
invalid_response                             ``invalidresponse``, which Moodle answers if a field has an invalid
                                             value; only for functions that read
odd_record                                   the first course or category of a list lacks its name; only for lists
wrong_course                                 the answer is about another course, or another duplication; only
                                             for functions that ask about one course, and those that copy one
storedfilenotcreated                         the backup's file collides; nothing is created
slow                 factor=10               the copy takes ``factor`` times as long; a read takes 0.02 s times
                                             ``factor``
killed_in_backup     answer=bad_gateway      PHP dies, nothing is left
killed_in_restore    step=renamed,           PHP dies, a partial course is left: with the requested names if
                     answer=bad_gateway      step=hidden, otherwise with a temporary name
exception_in_restore step=renamed,           the restore throws in that step and leaves a partial course;
                     errorcode=cannotrestore with errorcode=none it is a PHP Error without a code
disturbed                                    another program looks the new course up in its first
                                             milliseconds: the copy answers an error and leaves an empty shell
persons_restore                              a person restores the same source by hand at the same time
stall                step=backup             the copy stops in that step until the sandbox stops
==================== ======================= ============================================================

``answer`` is ``bad_gateway``, ``reset`` or ``empty``, and for ``site_down`` ``unavailable`` (503), ``bad_gateway``,
``page`` (a 200 with a maintenance page), ``upgrade`` (``upgraderunning``), ``blocked`` (403 with a page) or ``limited``
(429 with Retry-After); ``step`` is ``hidden``, ``renamed`` or ``content``, and
for ``stall`` also ``backup``.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dupdash.sandbox.timing import STEPS

Parameter = float | str

COPYING = ("core_course_duplicate_course", "core_course_async_duplicate_course")
LISTS = ("core_course_get_categories", "core_course_search_courses", "core_enrol_get_users_courses")
READING = (*LISTS, "core_webservice_get_site_info", "core_course_get_contents", "core_course_get_courses_by_field")
ABOUT_ONE_COURSE = (
    *COPYING,
    "core_course_async_duplicate_course_get_status",
    "core_course_get_contents",
    "core_course_get_courses_by_field",
)


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its parameters, the functions that it can affect, and those that it affects by default."""

    # The fault's own parameters, with their defaults.
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    # The functions that the fault can affect; None for every function.
    affects: tuple[str, ...] | None = None
    # The functions that the fault strikes if none is named; None for every function.
    strikes: tuple[str, ...] | None = COPYING


CATALOGUE: dict[str, Kind] = {
    "refuse": Kind({"seconds": 2.0}),
    "reset_before": Kind(),
    "forbidden": Kind(),
    "site_down": Kind({"answer": "unavailable"}, strikes=None),
    "reset_during": Kind({"at": 0.3}),
    "gateway_timeout": Kind({"at": 0.5}),
    "bad_gateway": Kind({"at": 0.5}),
    "reset_after": Kind(),
    "empty": Kind(),
    "html": Kind(),
    "truncated": Kind(),
    "notice": Kind(),
    "invalid_response": Kind(affects=READING, strikes=READING),
    "odd_record": Kind(affects=LISTS, strikes=LISTS),
    "wrong_course": Kind(affects=ABOUT_ONE_COURSE),
    "storedfilenotcreated": Kind(affects=COPYING),
    "slow": Kind({"factor": 10.0}),
    "killed_in_backup": Kind({"answer": "bad_gateway"}, affects=COPYING),
    "killed_in_restore": Kind({"step": "renamed", "answer": "bad_gateway"}, affects=COPYING),
    "exception_in_restore": Kind({"step": "renamed", "errorcode": "cannotrestore"}, affects=COPYING),
    "disturbed": Kind(affects=COPYING),
    "persons_restore": Kind(affects=COPYING),
    "stall": Kind({"step": "backup"}, affects=COPYING),
}

_LIMITS: dict[str, tuple[float, float]] = {
    "probability": (0, 1),
    "at": (0, 1),
    "seconds": (0, 3600),
    "factor": (0, 100_000),
}
_CHOICES: dict[str, tuple[str, ...]] = {"answer": ("bad_gateway", "reset", "empty"), "step": STEPS}
SITE_ANSWERS = ("unavailable", "bad_gateway", "page", "upgrade", "blocked", "limited")


class UnknownFault(ValueError):
    """No fault has this name, parameter or value. The message lists what is known."""


@dataclass(frozen=True)
class Fault:
    name: str
    probability: float = 1.0
    count: int | None = None
    function: str | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def concerns(self, function: str) -> bool:
        kind = CATALOGUE[self.name]
        if self.function is None:
            return kind.strikes is None or function in kind.strikes
        if self.function == "*":
            return kind.affects is None or function in kind.affects
        return self.function == function

    def number(self, name: str) -> float:
        return float(self.parameters[name])

    def word(self, name: str) -> str:
        return str(self.parameters[name])


def make_fault(name: str, **given: object) -> Fault:
    """Return a fault with checked parameters, in which numbers can be text. Raises UnknownFault."""
    if name not in CATALOGUE:
        raise UnknownFault(f"no fault is called {name!r}; known faults: {', '.join(CATALOGUE)}")
    kind = CATALOGUE[name]
    own = kind.parameters
    known = ("probability", "count", "function", *own)
    for parameter in given:
        if parameter not in known:
            raise UnknownFault(f"fault {name} has no parameter {parameter!r}; it has {', '.join(known)}")
    fault = Fault(
        name,
        parameters={
            parameter: _checked(name, parameter, given.get(parameter, own[parameter]), own) for parameter in own
        },
    )
    if name in ("killed_in_restore", "exception_in_restore") and fault.parameters["step"] == "backup":
        raise UnknownFault(f"fault {name}: step must be one of {', '.join(STEPS[1:])}")
    if given.get("probability") is not None:
        fault = replace(fault, probability=_number("probability", given["probability"]))
    if given.get("count") is not None:
        count = _number("count", given["count"])
        if not count.is_integer() or count < 1:
            raise UnknownFault("count must be a whole number above 0")
        fault = replace(fault, count=int(count))
    if given.get("function") is not None:
        function = str(given["function"])
        if kind.affects is not None and function not in ("*", *kind.affects):
            raise UnknownFault(f"fault {name} cannot affect {function!r}; it affects {', '.join(kind.affects)}")
        fault = replace(fault, function=function)
    return fault


def _checked(name: str, parameter: str, value: object, own: Mapping[str, Parameter]) -> Parameter:
    if isinstance(own[parameter], float):
        return _number(parameter, value)
    choices = SITE_ANSWERS if name == "site_down" else _CHOICES.get(parameter)
    if choices and value not in choices:
        raise UnknownFault(f"{parameter} must be one of {', '.join(choices)}")
    return str(value)


def _number(parameter: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        raise UnknownFault(f"{parameter} must be a number, not {value!r}") from None
    low, high = _LIMITS.get(parameter, (0, float("inf")))
    if not low <= number <= high:
        raise UnknownFault(f"{parameter} must lie between {low:g} and {high:g}")
    return number


def parse_fault(text: str) -> Fault:
    """Parse ``NAME``, ``NAME=0.1`` (the probability) or ``NAME=count:3,answer:reset``. Raises UnknownFault."""
    name, _, rest = text.partition("=")
    if not rest:
        return make_fault(name)
    if ":" not in rest:
        return make_fault(name, probability=rest)
    given: dict[str, object] = {}
    for part in rest.split(","):
        parameter, colon, value = part.partition(":")
        if not colon:
            raise UnknownFault(f"{part!r} is not parameter:value")
        given[parameter.strip()] = value.strip()
    return make_fault(name, **given)


class Faults:
    """The faults that are set, at most one of each name."""

    def __init__(self, seed: str) -> None:
        self.on_refuse: Callable[[float], None] = lambda seconds: None
        self.struck: Counter[str] = Counter()
        self._set: dict[str, Fault] = {}
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._lock = threading.Lock()

    def set(self, name: str, **parameters: object) -> Fault:
        """Set a fault, for example ``faults.set("gateway_timeout", count=1, at=0.4)``."""
        fault = make_fault(name, **parameters)
        self.add(fault)
        return fault

    def add(self, fault: Fault) -> None:
        if fault.name == "refuse":
            # This fault takes effect at once, so it is not stored.
            self.struck["refuse"] += 1
            self.on_refuse(fault.number("seconds"))
            return
        with self._lock:
            self._set[fault.name] = fault

    def clear(self) -> None:
        """Clear all faults. This also ends ``refuse``."""
        with self._lock:
            self._set.clear()
        self.on_refuse(0)

    def all(self) -> list[Fault]:
        with self._lock:
            return list(self._set.values())

    def strike(self, function: str) -> dict[str, Fault]:
        """Choose the faults that strike this call, by name, and reduce the count of each by one."""
        struck: dict[str, Fault] = {}
        with self._lock:
            for fault in tuple(self._set.values()):
                if not fault.concerns(function) or self._random.random() >= fault.probability:
                    continue
                struck[fault.name] = fault
                self.struck[fault.name] += 1
                if fault.count == 1:
                    del self._set[fault.name]
                elif fault.count is not None:
                    self._set[fault.name] = replace(fault, count=fault.count - 1)
        return struck

"""Reads the size of a source for the preview: its sections and activities."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import NoTrustworthyAnswer, UnknownRefusal
from dupdash.moodle.records import Contents
from dupdash.web.safe_cache import cache_get, cache_set

# Moodle needs a third of a second to list a large course, which seldom changes while somebody fills in a form.
FRESH_FOR = 300


# How many dates are stored.
DATES_MOST = 20


@dataclass(frozen=True)
class ActivityDate:
    activity: str
    label: str
    moment: int


@dataclass(frozen=True)
class Size:
    """The sections of a course with their numbers of activities, and the types of its activities."""

    sections: tuple[tuple[str, int], ...]
    kinds: tuple[tuple[str, int], ...]
    dates: tuple[ActivityDate, ...] = ()

    @property
    def activities(self) -> int:
        return sum(count for _, count in self.sections)


def size_of(course_id: int, client: MoodleClient) -> Size | None:
    """Return the size of a course, at most a few minutes old.

    Returns None if Moodle cannot list the contents, for example because a plugin is broken; such a course can still be
    copied. Raises MoodleError after any other failure.
    """
    key = f"size:{client.site_url}:{course_id}"
    known = cache_get(key)
    if isinstance(known, dict):
        dates = tuple(ActivityDate(**one) for one in known.get("dates", []))
        return Size(_pairs(known["sections"]), _pairs(known["kinds"]), dates)
    try:
        size = _measured(client.contents(course_id))
    except (UnknownRefusal, NoTrustworthyAnswer):
        return None
    cache_set(key, _stored(size), FRESH_FOR)
    return size


def _measured(contents: Contents) -> Size:
    modules = [module for section in contents.sections for module in section.modules]
    kinds = Counter(module.modname for module in modules)
    dates = [
        ActivityDate(module.name, date.label.rstrip(": "), date.timestamp)
        for module in modules
        for date in module.dates
    ]
    return Size(
        tuple((section.name, len(section.modules)) for section in contents.sections),
        tuple(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))),
        of_each_label(dates, DATES_MOST),
    )


def of_each_label(dates: Iterable[ActivityDate], most: int) -> tuple[ActivityDate, ...]:
    """Choose at most ``most`` dates, and return them sorted by time.

    The soonest date of each label, such as "Due", is chosen first, then the soonest of the other dates. Otherwise all
    chosen dates could be opening dates.
    """
    soonest = sorted(dates, key=lambda one: one.moment)
    first = {one.label: one for one in reversed(soonest)}.values()
    others = [one for one in soonest if one not in first]
    chosen = [*sorted(first, key=lambda one: one.moment), *others][:most]
    return tuple(sorted(chosen, key=lambda one: one.moment))


def _stored(size: Size) -> dict[str, object]:
    return {"sections": size.sections, "kinds": size.kinds, "dates": [asdict(one) for one in size.dates]}


def _pairs(stored: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), int(count)) for name, count in stored)

"""Suggests names for a copy: the names of its source with a later year.

BIO101-2026S1 becomes BIO101-2027S1. Course numbers are not years: MATH2010 stays MATH2010.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from dupdash.duplication.drivers.temporary_names import SHORT_NAME_LONGEST
from dupdash.duplication.name_display import in_one_language
from dupdash.duplication.request import FULL_NAME_LONGEST

# A number outside of this range of years is not taken for a year.
PAST, COMING = 10, 5
# How many later years are tried, and then how many numbers.
YEARS_TRIED = 5
NUMBERS_TRIED = 50

# Words before a year without a space: WS2026, Fall26.
TERM_WORDS = (
    r"wise|sose|ws|ss|fs|hs|ht|vt|ay|fy|sem|fall|autumn|spring|summer|winter|fa|sp|su|au|wi|s|w|f|h|t|q|y"
    r"|herbst|frühling|sommer"
)
_BEFORE = rf"(?:(?<![^\W_])|(?<=_)|(?:(?<![^\W_])(?P<term>{TERM_WORDS})))"
_FOUR = re.compile(
    rf"{_BEFORE}(?P<year>(?:19|20)\d\d)(?:(?P<gap>[/–-])(?P<next>(?:19|20)?\d\d)(?!\d))?(?!\d)", re.IGNORECASE
)
# Two digits are a year only next to a term or the following year: WS26, 26S1, 26/27.
_TWO = re.compile(
    rf"{_BEFORE}(?P<year>\d\d)(?:(?P<gap>[/–-])(?P<next>\d\d)(?!\d)|(?P<after>(?:{TERM_WORDS})(?:\d(?!\d)|(?![^\W_]))))?(?!\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Names:
    fullname: str
    shortname: str
    # How many years later the short name is than the source's; 0 if that has no year.
    years: int = 0
    # Earlier suggestions that are taken.
    taken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Year:
    """A year in a name, alone or followed by the next year: 2026, 2026/27."""

    start: int
    end: int
    value: int
    digits: int
    gap: str = ""
    next_digits: int = 0

    def raised(self, years: int) -> str:
        text = _written(self.value + years, self.digits)
        return f"{text}{self.gap}{_written(self.value + years + 1, self.next_digits)}" if self.gap else text


def raised(name: str, years: int = 1) -> str | None:
    """Return the name with its latest year raised by ``years`` wherever it occurs; None if the name has no year."""
    found = list(years_in(name))
    if not found:
        return None
    latest = max(year.value for year in found)
    for year in reversed([year for year in found if year.value == latest]):
        name = f"{name[: year.start]}{year.raised(years)}{name[year.end :]}"
    return name


def suggest(fullname: str, shortname: str, is_free: Callable[[str], bool]) -> Names | None:
    """Return names for a copy of a course with these names; None if no name was found.

    ``is_free`` returns whether a short name is free. If the short name of the source has a term, the new full name has
    the new term, because courses with equal names are confusing.
    """
    taken: list[str] = []
    for years in range(1, YEARS_TRIED + 1):
        next_name = raised(shortname, years)
        if next_name is None or len(next_name) > SHORT_NAME_LONGEST:
            break
        if is_free(next_name):
            later = raised(fullname, years) or _with_term(fullname, next_name)
            return Names(later, next_name, years, tuple(taken))
        taken.append(next_name)
    for number in range(1, NUMBERS_TRIED + 1):
        ending = "-COPY" if number == 1 else f"-COPY-{number}"
        # After all languages of the name, so that each language shows it.
        next_name = _cut_before(shortname, ending, SHORT_NAME_LONGEST) + ending
        if is_free(next_name):
            return Names(fullname, next_name, taken=tuple(taken))
        taken.append(next_name)
    return None


def _with_term(fullname: str, shortname: str) -> str:
    """Add the term of the short name to a full name without a year: "Introduction to Biology (2027S1)"."""
    shortname = in_one_language(shortname)
    year = max(years_in(shortname), key=lambda year: year.value, default=None)
    if year is None:
        # Only another language of the name has the term.
        return fullname
    before = re.search(r"[^\W_]*$", shortname[: year.start])
    after = re.match(r"[^\W_]*", shortname[year.end :])
    term = f"{before[0] if before else ''}{shortname[year.start : year.end]}{after[0] if after else ''}"
    ending = f" ({term})"
    return _cut_before(fullname, ending, FULL_NAME_LONGEST) + ending


def _cut_before(name: str, ending: str, longest: int) -> str:
    """Return the name, shortened so that it has at most ``longest`` characters with ``ending``.

    If it is too long and contains several languages, only one of them is kept.
    """
    left = longest - len(ending)
    if len(name) <= left:
        return name
    return in_one_language(name)[:left].rstrip()


def years_in(name: str) -> Iterator[Year]:
    """Return the years in a name, without course numbers and distant years."""
    this_year = date.today().year  # noqa: DTZ011 - a year needs no time zone
    taken: set[int] = set()
    for found in _FOUR.finditer(name):
        taken.update(range(*found.span()))
        year = _year(found, int(found["year"]), digits=4)
        if this_year - PAST <= year.value <= this_year + COMING:
            yield year
    for found in _TWO.finditer(name):
        if taken.intersection(range(*found.span())):
            continue
        year = _year(found, this_year // 100 * 100 + int(found["year"]), digits=2)
        if (year.gap or found["term"] or found["after"]) and this_year - PAST <= year.value <= this_year + COMING:
            yield year


def _year(found: re.Match[str], value: int, *, digits: int) -> Year:
    start, end = found.span("year")
    following = found["next"]
    # 2026-01 is a month or a section; 2026-27 are two years.
    if following and int(following) % 100 == (value + 1) % 100 and len(following) in (2, digits):
        return Year(start, found.end("next"), value, digits, found["gap"], len(following))
    return Year(start, end, value, digits)


def _written(year: int, digits: int) -> str:
    return str(year)[-digits:] if digits == 4 else f"{year % 100:02}"

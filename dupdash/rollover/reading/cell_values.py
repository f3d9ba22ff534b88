"""Parses dates, times and yes/no values in cells. If a text has two possible meanings, the error names both."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

# Another year in a cell is probably a typing error, although Moodle accepts more years.
EARLIEST_YEAR, LATEST_YEAR = 1990, 2100
YES = frozenset({"1", "yes", "y", "true", "on", "x", "✓"})
NO = frozenset({"0", "no", "n", "false", "off"})

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "sept", "september"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ),
        start=1,
    )
    for name in names
}
_TIME = re.compile(
    r"(?P<date>.*?)[T\s,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<half>[ap]\.?m\.?)?"
    r"\s*(?P<offset>Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"(\d{1,4})\s*([-/.])\s*(\d{1,2})\s*\2\s*(\d{1,4})\.?")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?[\s-]+([a-z]+)\.?[\s,-]+(\d{4})", re.IGNORECASE)
_MONTH_FIRST = re.compile(r"([a-z]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})", re.IGNORECASE)
_TIMESTAMP = re.compile(r"\d{9,10}")
EXAMPLE = "Write it as year-month-day, for example 2027-02-01"


class UnclearValue(ValueError):
    """The text cannot be parsed, or has two possible meanings. The message tells a person why."""


def read_flag(text: str) -> bool:
    """Parse "yes" or "no" in any accepted spelling. Raises UnclearValue."""
    word = text.strip().casefold()
    if word in YES:
        return True
    if word in NO:
        return False
    raise UnclearValue(f"“{text}” is neither yes nor no. Write 1 or 0.")


def read_date(text: str, zone: ZoneInfo) -> date:
    """Parse a date. A Unix timestamp is converted to the date in ``zone``. Raises UnclearValue."""
    text = " ".join(text.split())
    if _TIMESTAMP.fullmatch(text):
        return datetime.fromtimestamp(int(text), zone).date()
    readings = sorted(set(_readings(text)))
    if not readings and (found := _TIME.fullmatch(text)) and list(_readings(found["date"])):
        message = "Write only the date: a copy keeps the time of day that its source has."
        raise UnclearValue(f"“{text}” has a time of day. {message}")
    if not readings:
        raise UnclearValue(f"“{text}” is not a date from {EARLIEST_YEAR} to {LATEST_YEAR}. {EXAMPLE}.")
    if len(readings) > 1:
        both = " or ".join(_in_words(day) for day in readings)
        raise UnclearValue(f"“{text}” can be read as {both}. {EXAMPLE}.")
    return readings[0]


def read_moment(text: str, zone: ZoneInfo) -> datetime:
    """Parse a date with a time of day in ``zone``, and return it in UTC. Midnight if there is no time of day.

    Raises UnclearValue.
    """
    text = " ".join(text.split())
    if _TIMESTAMP.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    found = _TIME.fullmatch(text)
    if found is None:
        return _in_zone(datetime.combine(read_date(text, zone), time.min), zone)
    local = datetime.combine(read_date(found["date"], zone), _time_of_day(found, text))
    offset = found["offset"]
    if offset:
        return datetime.fromisoformat(f"{local.isoformat()}{offset.upper()}").astimezone(UTC)
    return _in_zone(local, zone)


def _time_of_day(found: re.Match[str], text: str) -> time:
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if half := found["half"]:
        if not 1 <= hour <= 12:
            raise UnclearValue(f"“{text}” has no valid time of day. Write it as hours and minutes, for example 20:00.")
        hour = hour % 12 + (12 if half.lower().startswith("p") else 0)
    try:
        return time(hour, minute, second)
    except ValueError:
        message = f"“{text}” has no valid time of day. Write it as hours and minutes, for example 20:00."
        raise UnclearValue(message) from None


def _in_zone(local: datetime, zone: ZoneInfo) -> datetime:
    early = local.replace(tzinfo=zone).astimezone(UTC)
    late = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) != local:
        raise UnclearValue(f"{local:%Y-%m-%d %H:%M} does not exist in {zone.key}: the clocks are put forward then.")
    if early != late:
        raise UnclearValue(
            f"{local:%Y-%m-%d %H:%M} occurs twice in {zone.key}, because the clocks are put back: at {early:%H:%M} UTC "
            f"and at {late:%H:%M} UTC. Add the offset, for example {local:%Y-%m-%dT%H:%M}+00:00."
        )
    return early


def _readings(text: str) -> Iterator[date]:
    """Yield every date that a text can mean."""
    if (numbers := _NUMBERS.fullmatch(text)) is not None:
        first, separator, second, third = numbers.groups()
        yield from _of_numbers(first, separator, second, third)
    elif re.fullmatch(r"\d{8}", text):
        yield from _day(int(text[:4]), int(text[4:6]), int(text[6:]))
    elif (found := _DAY_FIRST.fullmatch(text)) is not None and (month := _MONTHS.get(found[2].casefold())):
        yield from _day(int(found[3]), month, int(found[1]))
    elif (found := _MONTH_FIRST.fullmatch(text)) is not None and (month := _MONTHS.get(found[1].casefold())):
        yield from _day(int(found[3]), month, int(found[2]))


def _of_numbers(first: str, separator: str, second: str, third: str) -> Iterator[date]:
    if len(first) == 4:
        yield from _day(int(first), int(second), int(third))
        return
    years = [int(third)] if len(third) == 4 else [2000 + int(third)] if len(third) == 2 else []
    for year in years:
        yield from _day(year, int(second), int(first))
        # A date with dots begins with the day in every country that writes dates like this.
        if separator != ".":
            yield from _day(year, int(first), int(second))
    if len(third) == 2 and len(first) == 2 and separator != ".":
        yield from _day(2000 + int(first), int(second), int(third))


def _day(year: int, month: int, day: int) -> Iterator[date]:
    if EARLIEST_YEAR <= year <= LATEST_YEAR:
        try:
            yield date(year, month, day)
        except ValueError:
            return


def _in_words(day: date) -> str:
    return f"{day.day} {day:%B %Y}"

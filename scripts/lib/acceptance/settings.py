"""Parses the settings of an acceptance run: the site, and the number of copies."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..cli import UsageError

# The numbers of copies at each concurrency: one, three, and many from each of eight sources.
COPIES_AT_1 = 8
COPIES_AT_4 = 24
COPIES_AT_8 = 200
COPIES_WITH_DATES = 24
UTC = ZoneInfo("UTC")
SHORT_COPIES = 8

EPILOG = """
environment:
  MOODLE_URL, MOODLE_TOKEN      the site, and the token that dupdash works with
  ACCEPTANCE_SOURCES            the ids of the courses to copy, for example 13,5,7 (or --sources)
  ACCEPTANCE_CATEGORY           the id of the category for the copies (or --category)
  ACCEPTANCE_PEOPLE_SOURCE      the id of a course with enrolled people (or --people-source)
  MOODLE_TIME_ZONE              the time zone of the site (default: UTC)
  ACCEPTANCE_TOKEN              a token that sees everything and may delete courses, with which the copies are
                                compared and deleted; without it, MOODLE_TOKEN does that, too

The run makes hidden and visible courses in that category, whose short names begin with "acceptance-", and deletes
them at its end, also after Ctrl-C. Its exit status is 0 if everything was as expected.
"""


@dataclass(frozen=True)
class Site:
    """The Moodle site of the run, with its tokens, sources and category."""

    url: str
    token: str
    # The token of the client that compares and deletes courses.
    own_token: str
    sources: tuple[int, ...]
    people_source: int
    category: int
    time_zone: ZoneInfo = UTC


@dataclass(frozen=True)
class Settings:
    # None to start the embedded Moodle.
    site: Site | None
    short: bool
    copies: int
    # Run only the stages with this concurrency; None for all stages.
    concurrency: int | None
    # The proxy answers 504 after this many seconds.
    patience: float
    # The time limit of the whole run in seconds, without the cleanup.
    limit: float


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Parse the arguments. Raises UsageError with the name of a missing setting."""
    parser = argparse.ArgumentParser(
        prog="scripts/acceptance",
        description="Makes copies on a Moodle in each way that dupdash offers, and compares each copy with its source.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--short", action="store_true", help="few copies; without MOODLE_URL on the embedded Moodle")
    parser.add_argument("--sources", default=environment.get("ACCEPTANCE_SOURCES", ""), metavar="IDS")
    parser.add_argument("--category", default=environment.get("ACCEPTANCE_CATEGORY", ""), metavar="ID")
    parser.add_argument("--people-source", default=environment.get("ACCEPTANCE_PEOPLE_SOURCE", ""), metavar="ID")
    parser.add_argument("--copies", type=_positive, help=f"at concurrency 8 (default: {COPIES_AT_8})")
    parser.add_argument("--concurrency", type=int, choices=(1, 4, 8), help="only what is copied at this concurrency")
    parser.add_argument("--proxy-seconds", type=_seconds, help="when the proxy gives up (default: 4)")
    parser.add_argument("--minutes", type=_positive, help="the longest time for the run (default: 30, with --short 8)")
    chosen = parser.parse_args(arguments)
    site = _site(chosen, environment)
    return Settings(
        site=site,
        short=chosen.short,
        copies=chosen.copies or (SHORT_COPIES if chosen.short else COPIES_AT_8),
        concurrency=chosen.concurrency,
        # In the short form a copy takes about 2 s in the embedded Moodle.
        patience=chosen.proxy_seconds or (4.0 if site else 1.0),
        limit=60.0 * (chosen.minutes or (8 if chosen.short else 30)),
    )


def _site(chosen: argparse.Namespace, environment: Mapping[str, str]) -> Site | None:
    """Return the site that the settings name, or None for the embedded Moodle of the short form."""
    url = environment.get("MOODLE_URL", "").rstrip("/")
    if chosen.short and not url:
        return None
    given = {
        "MOODLE_URL": url,
        "MOODLE_TOKEN": environment.get("MOODLE_TOKEN", ""),
        "ACCEPTANCE_SOURCES": chosen.sources,
        "ACCEPTANCE_CATEGORY": chosen.category,
    }
    if missing := [name for name, value in given.items() if not value]:
        hint = "" if chosen.short else ". Without a Moodle of your own: scripts/acceptance --short"
        raise UsageError(f"set {', '.join(missing)} (scripts/acceptance --help explains them){hint}")
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"MOODLE_URL must begin with http:// or https://, and is {url!r}")
    sources = tuple(_id("ACCEPTANCE_SOURCES", text) for text in chosen.sources.split(","))
    return Site(
        url=url,
        token=given["MOODLE_TOKEN"],
        own_token=environment.get("ACCEPTANCE_TOKEN", "") or given["MOODLE_TOKEN"],
        sources=sources,
        people_source=_id("ACCEPTANCE_PEOPLE_SOURCE", chosen.people_source) if chosen.people_source else sources[0],
        category=_id("ACCEPTANCE_CATEGORY", chosen.category),
        time_zone=_time_zone(environment.get("MOODLE_TIME_ZONE") or "UTC"),
    )


def _id(name: str, text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise UsageError(f"{name} must hold ids, which are numbers above 0, and has {text!r}")
    return int(text)


def _time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"MOODLE_TIME_ZONE must be a time zone like Europe/Berlin, and is {name!r}") from None


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to 10000, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"must be a number of seconds up to 3600, not {text!r}")
    return seconds

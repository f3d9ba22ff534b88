"""Defines the scenarios of an acceptance run: the copies, the concurrency, and whether answers are lost."""

import itertools
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from .copies import CopyRequest, Entrance, RefusedIf
from .settings import COPIES_AT_1, COPIES_AT_4, COPIES_WITH_DATES, SHORT_COPIES, Settings, Site

PREFIX = "acceptance-"
# The start date of the first copy with dates. Each further copy starts a week later. In between the clocks change.
FIRST_START = date(2030, 2, 4)
SHORT_NAME_LONGEST = 100
FULL_NAME_LONGEST = 254

# Copies use these ways in turn. Commands and forms are rarer, because each starts a Python or loads three pages.
ENTRANCES = (
    *(Entrance.WEB_SERVICE, Entrance.FORM, Entrance.WEB_SERVICE, Entrance.COMMAND),
    *(Entrance.WEB_SERVICE, Entrance.FORM, Entrance.WEB_SERVICE, Entrance.WEB_SERVICE),
)
QUICKEST_FIRST = (Entrance.WEB_SERVICE, Entrance.FORM, Entrance.COMMAND)

# The suffixes of the short name and of the full name.
ODD_NAMES = {
    "several languages": (
        "-lang",
        ' <span lang="fr" class="multilang">Cours</span><span lang="en" class="multilang">Course</span>',
    ),
    "emoji": ("-🧬", " 🧬 Biology 👩‍🔬"),
    "ampersand": ("-AT&T", " AT&T & more"),
    "entities": ("-Q&amp;A", " Q&amp;A, 5 &gt; 3 and &nbsp;"),
    "less and greater": ("-a > b", " 5 < 6 and 6 > 5"),
    "quotes": ("-\"q\"-'s'", " \"double\", 'single' and “typographic”"),
    "Arabic": ("-أحياء", " مقدمة في علم الأحياء (2027)"),
    "Hebrew": ("-ביולוגיה", " מבוא לביולוגיה 101"),
    "Chinese": ("-生物学", " 生物学概论"),
    "percent, slash and backslash": ("-50%/a\\b+c", " 100 % of a/b\\c + d?e#f"),
}
# Pairs of short names that Moodle's database may treat as equal.
EQUAL_NAMES = {
    "emoji": ("-cell 🧬", "-cell 🚀"),
    "accent": ("-etude", "-étude"),
    "case": ("-case", "-CASE"),
    "full width": ("-wide", "-ｗｉｄｅ"),
}
WITH_PEOPLE = {"users": True}
FLIPPED: tuple[Mapping[str, bool], ...] = (
    {"activities": False},
    {"blocks": False},
    {"filters": False},
    {"users": True},
    {"users": True, "role_assignments": True},
    {"users": True, "comments": True},
    {"users": True, "userscompletion": True},
    {"users": True, "logs": True},
    {"users": True, "grade_histories": True},
)
NOT_ON_A_STOCK_SITE = {"users": True, "enrolments": False}


@dataclass(frozen=True)
class Stage:
    """Copies that are made while dupdash runs with one concurrency. Each group begins when the last one has ended."""

    concurrency: int
    through_proxy: bool
    batches: tuple[tuple[CopyRequest, ...], ...]


class Namer:
    """Creates unique names. Every short name begins with ``prefix``, with which the cleanup finds the copies."""

    def __init__(self) -> None:
        self.prefix = f"{PREFIX}{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)

    def next(self) -> str:
        return f"{self.prefix}-{next(self._numbers):03}"


def stages(settings: Settings, site: Site, namer: Namer) -> tuple[Stage, ...]:
    every = _every_stage(settings, site, namer)
    return tuple(stage for stage in every if settings.concurrency in (None, stage.concurrency))


def _every_stage(settings: Settings, site: Site, namer: Namer) -> tuple[Stage, ...]:
    plan = _Plan(site, namer)
    special = (
        (*plan.odd_names(), *plan.options(), *plan.hidden("hidden")),
        plan.first_of_equal_names(),
        plan.second_of_equal_names(),
    )
    lost = plan.plain("answers lost by a proxy", SHORT_COPIES)
    at_8 = plan.plain("concurrency 8", settings.copies)
    if settings.short:
        dated = plan.people_and_dates(SHORT_COPIES)
        return Stage(4, False, special), Stage(4, True, (lost,)), Stage(8, False, (at_8, dated))
    return (
        Stage(1, False, (plan.plain("concurrency 1", COPIES_AT_1),)),
        Stage(4, False, (plan.plain("concurrency 4", COPIES_AT_4), *special)),
        # dupdash checks a hidden copy whose answer was lost for a minute, which is too long for the short form.
        Stage(4, True, ((*lost, *plan.hidden("answers lost, hidden")),)),
        Stage(8, False, (at_8, plan.people_and_dates(COPIES_WITH_DATES))),
    )


class _Plan:
    """Creates the requests of each scenario, using the sources and the ways to request a copy in turn."""

    def __init__(self, site: Site, namer: Namer) -> None:
        self._site = site
        self._namer = namer
        self._sources = itertools.cycle(site.sources)
        self._entrances = itertools.cycle(ENTRANCES)

    def plain(self, scenario: str, copies: int) -> tuple[CopyRequest, ...]:
        """Return plain copies. The fastest way to request one comes first, so that all slots are soon busy."""
        requests = [self._request(scenario) for _ in range(copies)]
        return tuple(sorted(requests, key=lambda request: QUICKEST_FIRST.index(request.entrance)))

    def hidden(self, scenario: str) -> tuple[CopyRequest, ...]:
        return tuple(self._request(scenario, entrance=entrance, visible=False) for entrance in Entrance)

    def people_and_dates(self, copies: int) -> tuple[CopyRequest, ...]:
        return tuple(
            replace(
                request,
                options={"users": True, "role_assignments": True},
                startdate=FIRST_START + timedelta(weeks=number),
            )
            for number, request in enumerate(self.plain("people and dates", copies))
        )

    def odd_names(self) -> Iterator[CopyRequest]:
        for shortname, fullname in ODD_NAMES.values():
            yield self._request("odd names", shortname, fullname)
        stem = self._namer.next()
        longest = stem.ljust(SHORT_NAME_LONGEST, "x"), stem.ljust(FULL_NAME_LONGEST, "y")
        yield CopyRequest("odd names", Entrance.FORM, self._site.sources[0], longest[1], longest[0])
        for entrance in Entrance:
            stem = self._namer.next()
            yield CopyRequest("odd names", entrance, self._site.sources[0], f"  {stem} blanks \t", f"  {stem}  ")

    def first_of_equal_names(self) -> tuple[CopyRequest, ...]:
        self._stems = [self._namer.next() for _ in EQUAL_NAMES]
        return tuple(
            self._request("equal names", first, stem=stem)
            for stem, (first, _) in zip(self._stems, EQUAL_NAMES.values(), strict=True)
        )

    def second_of_equal_names(self) -> tuple[CopyRequest, ...]:
        return tuple(
            replace(self._request("equal names", second, stem=stem), refused_if=RefusedIf.NAME_FOUND)
            for stem, (_, second) in zip(self._stems, EQUAL_NAMES.values(), strict=True)
        )

    def options(self) -> Iterator[CopyRequest]:
        for flips in FLIPPED:
            yield self._with_options(flips)
        for entrance in Entrance:
            yield self._with_options(NOT_ON_A_STOCK_SITE, entrance=entrance, refused_if=RefusedIf.STOCK_SITE)

    def _with_options(
        self, flips: Mapping[str, bool], entrance: Entrance | None = None, refused_if: RefusedIf = RefusedIf.NEVER
    ) -> CopyRequest:
        with_people = flips.get("users", False)
        request = self._request("with people" if with_people else "options switched off", entrance=entrance)
        source = self._site.people_source if with_people else request.source
        return replace(request, source=source, options=flips, refused_if=refused_if)

    def _request(
        self,
        scenario: str,
        shortname: str = "",
        fullname: str = "",
        *,
        stem: str = "",
        entrance: Entrance | None = None,
        visible: bool = True,
    ) -> CopyRequest:
        stem = stem or self._namer.next()
        return CopyRequest(
            scenario=scenario,
            entrance=entrance or next(self._entrances),
            source=next(self._sources),
            fullname=f"{stem}{fullname}",
            shortname=f"{stem}{shortname}",
            visible=visible,
        )

"""Compares the contents of a copy with those of its source: sections and activities, matched by name and type.

Blocks, filters, people and grades are not compared, because Moodle's contents service does not return them.
"""

from collections import Counter
from typing import Any

import msgspec
from django.utils import timezone

from dupdash.moodle.records import Contents, Section

# How many differences of a kind a report names. It counts the rest.
NAMED_MOST = 50

Report = dict[str, Any]


def compare(source: Contents, copy: Contents, *, with_activities: bool, dates_moved: bool = False) -> Report:
    """Return the report that compares a copy with its source: the numbers of sections and activities, and differences.

    ``with_activities``: the copy should contain the activities. ``dates_moved``: the copy has another start date than
    its source. In the report, ``missing`` lists what only the source has, ``extra`` what only the copy has, and
    ``matched`` counts what both have, because equal numbers do not prove equal activities.
    """
    if dates_moved:
        copy = _with_source_names_of_weeks(source, copy)
    wanted_sections = _sections(source, with_subsections=with_activities)
    sections = _difference(wanted_sections, _sections(copy))
    wanted = _activities(source) if with_activities else Counter[tuple[str, str]]()
    activities = _difference(wanted, _activities(copy))
    return {
        "at": timezone.now().isoformat(),
        "sections": {
            "source": source.section_count,
            "expected": wanted_sections.total(),
            "copy": copy.section_count,
            **sections,
        },
        "activities": {
            "source": source.activities,
            "expected": sum(wanted.values()),
            "copy": copy.activities,
            **activities,
        },
        # How many sections and activities Moodle listed without a name or a type, in both courses together.
        "left_out": source.left_out + copy.left_out,
        "complete": not any(part[key] for part in (sections, activities) for key in ("missing", "extra")),
    }


def _with_source_names_of_weeks(source: Contents, copy: Contents) -> Contents:
    """Return the contents of the copy, with the source's name for each section whose two names contain a number.

    A course in weekly format names its sections after dates ("14 September - 20 September"), so these names differ when
    the start date has moved.
    """
    names = {section.number: section.name for section in source.sections if not section.component}

    def renamed(section: Section) -> Section:
        name = names.get(section.number, "")
        dated = not section.component and _has_number(name) and _has_number(section.name)
        return msgspec.structs.replace(section, name=name) if dated else section

    return msgspec.structs.replace(copy, sections=tuple(renamed(section) for section in copy.sections))


def _has_number(name: str) -> bool:
    return any(character.isdecimal() for character in name)


def _sections(contents: Contents, *, with_subsections: bool = True) -> Counter[tuple[str, str]]:
    """Count sections by number and name. Subsections count by component and name: a copy gives them other numbers."""
    return Counter(
        (section.component or str(section.number), section.name)
        for section in contents.sections
        if with_subsections or not section.component
    )


def _activities(contents: Contents) -> Counter[tuple[str, str]]:
    return Counter((activity.modname, activity.name) for section in contents.sections for activity in section.modules)


def _difference(source: Counter[tuple[str, str]], copy: Counter[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {"matched": (source & copy).total()}
    for key, more in (("missing", source - copy), ("extra", copy - source)):
        entries = [{"type": kind, "name": name, "count": count} for (kind, name), count in more.items()]
        found[key] = entries[:NAMED_MOST]
        found[f"more_{key}"] = sum(entry["count"] for entry in entries[NAMED_MOST:])
    return found

"""The copy held against its source: sections and activities, matched by name and type.

What Moodle's contents service cannot show (blocks, filters, people, grades) is not claimed to be verified.
"""

from collections import Counter
from typing import Any

from django.utils import timezone

from dupdash.duplication.models import DuplicationJob
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.records import Contents

# A report names so many differences of a kind; the counts are whole.
NAMED_MOST = 50


def verify(job: DuplicationJob, course_id: int, client: MoodleClient) -> dict[str, Any] | None:
    """The report of a finished copy; None where Moodle could not be asked (it is tried again later)."""
    try:
        source, copy = client.contents(job.source_id), client.contents(course_id)
    except MoodleError:
        return None
    return compare(source, copy, with_activities=bool(job.options.get("activities", True)))


def compare(source: Contents, copy: Contents, *, with_activities: bool) -> dict[str, Any]:
    """Count and match; differences are named, each with how often it is missing or extra."""
    sections = _difference(_sections(source), _sections(copy))
    wanted = _activities(source) if with_activities else Counter[tuple[str, str]]()
    activities = _difference(wanted, _activities(copy))
    return {
        "at": timezone.now().isoformat(),
        "sections": {"source": source.section_count, "copy": copy.section_count, **sections},
        "activities": {
            "source": source.activities,
            "expected": sum(wanted.values()),
            "copy": copy.activities,
            **activities,
        },
        "complete": not any((*sections.values(), *activities.values())),
    }


def _sections(contents: Contents) -> Counter[tuple[str, str]]:
    return Counter((str(section.number), section.name) for section in contents.sections)


def _activities(contents: Contents) -> Counter[tuple[str, str]]:
    return Counter((activity.modname, activity.name) for section in contents.sections for activity in section.modules)


def _difference(source: Counter[tuple[str, str]], copy: Counter[tuple[str, str]]) -> dict[str, list[dict[str, Any]]]:
    return {
        word: [{"type": kind, "name": name, "count": count} for (kind, name), count in more.items()][:NAMED_MOST]
        for word, more in (("missing", source - copy), ("extra", copy - source))
    }

"""Presents the plugin's report on a finished copy: what was not copied, what links to the source, the new ids."""

from dataclasses import dataclass
from typing import Any

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import module_url
from dupdash.duplication.name_display import isolate
from dupdash.web.presentation.preview import KINDS

# The plural label of each kind of content.
MISSING = {
    "sections": "Sections",
    "blocks": "Blocks",
    "questioncategories": "Question categories",
    "groups": "Groups",
    "groupings": "Groupings",
    "enrolmentmethods": "Enrolment methods",
    "enrolledusers": "Enrolled people",
    "roles": "People with the role",
    "badges": "Badges",
}


@dataclass(frozen=True)
class LinkToSource:
    """A part of the copy that still links to the source."""

    what: str
    name: str
    # The URL in the source to which this part links.
    target: str
    # The page of the activity in the copy; "" outside of activities.
    url: str


@dataclass(frozen=True)
class NewId:
    kind: str
    old: int
    new: int
    url: str


@dataclass(frozen=True)
class PluginReport:
    # Lines such as "Groups: 2 of 5".
    missing: tuple[str, ...]
    links: tuple[LinkToSource, ...]
    ids: tuple[NewId, ...]


def report_of(job: DuplicationJob, health: MoodleHealth) -> PluginReport | None:
    report = job.moodle_report
    if report is None:
        return None
    return PluginReport(
        missing=tuple(missing_line(one) for one in report["missing"]),
        links=tuple(link_to_source(one, health) for one in report["pointing"]),
        ids=tuple(_new_id(one, health) for one in report["activities"]),
    )


def missing_line(one: dict[str, Any]) -> str:
    if one["kind"] == "activities":
        what = KINDS.get(one["name"], one["name"])
    else:
        what = MISSING.get(one["kind"], one["kind"]) + (f" ({isolate(one['name'])})" if one["name"] else "")
    return f"{what}: {one['copy']} of {one['source']}"


def link_to_source(one: dict[str, Any], health: MoodleHealth) -> LinkToSource:
    what = "External tool that is set up in the source" if one["kind"] == "lti" else "Link to the source"
    url = module_url(one["modname"], one["cmid"], health) if one["cmid"] else ""
    return LinkToSource(what, one["name"] or one["where"], one["url"], url)


def _new_id(one: dict[str, Any], health: MoodleHealth) -> NewId:
    url = module_url(one["modname"], one["newcmid"], health)
    return NewId(one["modname"], one["oldcmid"], one["newcmid"], url)

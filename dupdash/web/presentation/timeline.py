"""The story of a job, told to people: each event with who, when, what and why."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dupdash.duplication.display_names import COMMAND_LINE, ITSELF, name_of
from dupdash.duplication.models import JobEvent


@dataclass(frozen=True)
class Told:
    """One line of the timeline, as ``_timeline.html`` shows it."""

    when: datetime
    what: str
    who: str
    why: str
    level: str
    icon: str
    raw: str = ""


# What happened, how it is meant (info, success, warning, danger, or nothing special), and its drawing.
KINDS: dict[str, tuple[str, str, str]] = {
    "submitted": ("Asked for", "", "plus"),
    "approved": ("Approved", "success", "succeeded"),
    "rejected": ("Refused", "warning", "rejected"),
    "started": ("Work began", "", "running"),
    "sent": ("The request went to Moodle", "info", "copy"),
    "accepted": ("The site accepted it", "info", "info"),
    "course_seen": ("A new course appeared in Moodle", "info", "course"),
    "source_released": ("Another copy of the same source may start", "", "queued"),
    "course_corrected": ("Another course had been taken for the copy", "info", "course"),
    "content_seen": ("Its contents appeared", "info", "course"),
    "succeeded": ("The copy is complete", "success", "succeeded"),
    "failed": ("Failed", "danger", "failed"),
    "cancelled": ("Cancelled", "", "cancelled"),
    "cancel_requested": ("Cancelling was asked for", "warning", "cancelled"),
    "removed": ("Cancelled, and the copy removed", "", "cancelled"),
    "not_removed": ("The copy could not be removed", "warning", "warning"),
    "partial_deleted": ("The partial course was deleted", "", "succeeded"),
    "shell_found": ("An empty course was left in Moodle", "warning", "course"),
    "shell_kept": ("The empty course could not be deleted", "warning", "warning"),
    "shell_deleted": ("The empty course was deleted; the request is sent again", "warning", "retry"),
    "again_later": ("Nothing was started; it will be tried again", "warning", "retry"),
    "source_busy": ("It waits for another copy of the same source", "", "queued"),
    "paused": ("Waiting until the connection to Moodle is fixed", "warning", "warning"),
    "site_down": ("Waiting until the Moodle site is back", "warning", "warning"),
    "worker_lost": ("Its worker was lost; back to the queue", "warning", "retry"),
    "checking": ("No answer to rely on; the truth is looked up", "warning", "checking"),
    "late_answer": ("Moodle’s answer arrived after all", "info", "info"),
    "unresolved": ("Looked long enough without proof", "warning", "unresolved"),
    "settled": ("Settled by an administrator", "info", "person"),
}

# Where an event carries one of these, Moodle said something.
SAID = frozenset({"errorcode", "message"})


def story(events: Iterable[JobEvent], *, raw: bool) -> list[Told]:
    """The events, oldest first; with ``raw`` also what Moodle said, for those who help."""
    return [_told(event, raw=raw) for event in events]


def _told(event: JobEvent, *, raw: bool) -> Told:
    what, level, icon = KINDS.get(event.kind, (event.kind.replace("_", " ").capitalize(), "", "info"))
    return Told(
        when=event.at,
        what=what,
        who=_who(event),
        why=event.reason,
        level=level,
        icon=icon,
        raw=json.dumps(event.data, indent=2, ensure_ascii=False) if raw and SAID & event.data.keys() else "",
    )


def _who(event: JobEvent) -> str:
    if event.actor is None and event.kind == "submitted":
        return COMMAND_LINE
    who = name_of(event.actor, ITSELF)
    return f"{who} through {event.via}" if event.via else who

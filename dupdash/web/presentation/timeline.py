"""Presents the timeline of a job on the job page: who did what, when and why."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dupdash.duplication.models import JobEvent
from dupdash.duplication.person_names import COMMAND_LINE, ITSELF, name_of


@dataclass(frozen=True)
class Entry:
    """One line of the timeline, for ``_timeline.html``."""

    when: datetime
    what: str
    who: str
    why: str
    level: str
    icon: str
    raw: str = ""


# Label, level (info, success, warning, danger or none) and icon of each kind of event.
KINDS: dict[str, tuple[str, str, str]] = {
    "submitted": ("Requested", "", "plus"),
    "approved": ("Approved", "success", "succeeded"),
    "rejected": ("Refused", "warning", "rejected"),
    "started": ("Started", "", "running"),
    "sent": ("Request sent to Moodle", "info", "copy"),
    "accepted": ("Accepted by Moodle", "info", "info"),
    "course_seen": ("The new course appeared in Moodle", "info", "course"),
    "source_released": ("No longer blocks other copies of the source", "", "queued"),
    "course_corrected": ("Another course has the same names", "info", "course"),
    "content_seen": ("The contents appeared in Moodle", "info", "course"),
    "succeeded": ("Copy complete", "success", "succeeded"),
    "failed": ("Failed", "danger", "failed"),
    "cancelled": ("Cancelled", "", "cancelled"),
    "cancel_requested": ("Cancelled; the copy will be deleted", "warning", "cancelled"),
    "cancelled_copy_deleted": ("Cancelled; the copy was deleted", "", "cancelled"),
    "cancelled_copy_kept": ("The copy was not deleted", "warning", "warning"),
    "partial_deleted": ("Partial course deleted", "", "succeeded"),
    "shell_found": ("An empty course was left in Moodle", "warning", "course"),
    "shell_kept": ("The empty course was not deleted", "warning", "warning"),
    "shell_deleted": ("Empty course deleted; dupdash sends the request again", "warning", "retry"),
    "again_later": ("Nothing was started; dupdash will try again", "warning", "retry"),
    "source_busy": ("Waits for another copy of the same source", "", "queued"),
    "paused": ("Waits until the connection to Moodle works again", "warning", "warning"),
    "site_down": ("Waits until the Moodle site is available again", "warning", "warning"),
    "worker_lost": ("The worker stopped; the job is queued again", "warning", "retry"),
    "checking": ("Outcome unclear: checking in Moodle", "warning", "checking"),
    "late_answer": ("Moodle’s answer arrived late", "info", "info"),
    "unresolved": ("No proof found: unresolved", "warning", "unresolved"),
    "assigned": ("Assigned", "", "person"),
    "resolved": ("Marked as resolved", "success", "succeeded"),
    "reopened": ("Opened again", "warning", "warning"),
    "approval_undone": ("Approval undone", "warning", "retry"),
    "settled": ("Result recorded by a course administrator", "info", "person"),
}

# An event whose data has one of these keys contains an error message of Moodle.
FROM_MOODLE = frozenset({"errorcode", "message"})


def timeline(events: Iterable[JobEvent], *, raw: bool) -> list[Entry]:
    """Return the events, oldest first. ``raw`` adds Moodle's error messages, for administrators and the help desk."""
    return [_entry(event, raw=raw) for event in events]


def _entry(event: JobEvent, *, raw: bool) -> Entry:
    what, level, icon = KINDS.get(event.kind, (event.kind.replace("_", " ").capitalize(), "", "info"))
    return Entry(
        when=event.at,
        what=what,
        who=_who(event),
        why=event.reason,
        level=level,
        icon=icon,
        raw=json.dumps(event.data, indent=2, ensure_ascii=False) if raw and FROM_MOODLE & event.data.keys() else "",
    )


def _who(event: JobEvent) -> str:
    if event.actor is None and event.kind == "submitted":
        return COMMAND_LINE
    who = name_of(event.actor, ITSELF)
    return f"{who} through {event.via}" if event.via else who

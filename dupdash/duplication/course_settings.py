"""Dates and idnumber of a copy, where it gets others than its source: what is asked for, set, and found in the end."""

import logging
from typing import Any

from dupdash.duplication.course_dates import dates_to_set
from dupdash.duplication.models import DuplicationJob
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError, NoTrustworthyAnswer
from dupdash.moodle.options import abilities
from dupdash.moodle.records import Course

logger = logging.getLogger("dupdash.course_settings")

# What people call them, in the order in which they are listed: PostgreSQL does not keep the order of a JSON object.
LABELS = {"startdate": "start date", "enddate": "end date", "idnumber": "ID number"}
# How often an update is sent whose answer was lost: doing it twice is harmless.
TRIES = 2


def settings_of_copy(job: DuplicationJob, source: Course) -> dict[str, int | str]:
    """The settings that the copy gets in place of its source's, by their names in Moodle."""
    wanted: dict[str, int | str] = dict(dates_to_set(job.startdate, job.enddate, source))
    return wanted | ({"idnumber": job.idnumber} if job.idnumber else {})


def sets_after_copy(job: DuplicationJob) -> bool:
    """Whether they must be set when the copy is made, because its driver does not take them with the start."""
    return bool(job.course_settings) and not abilities(job.driver).details


def set_after_copy(job: DuplicationJob, course_id: int, client: MoodleClient) -> str:
    """Set them on a finished copy; why that was not possible, "" where it was."""
    for attempt in range(TRIES):
        try:
            client.update_course(course_id, job.course_settings)
        except NoTrustworthyAnswer as lost:
            logger.info("job %s: the answer to try %d of setting its dates was lost: %s", job.pk, attempt + 1, lost)
            why = str(lost)
        except MoodleError as refusal:
            return str(refusal)
        else:
            return ""
    return why


def differences(job: DuplicationJob, course: Course) -> list[dict[str, Any]]:
    """The settings that the copy does not have as they were asked for."""
    return [
        {"name": name, "wanted": job.course_settings[name], "copy": getattr(course, name)}
        for name in LABELS
        if name in job.course_settings
        and getattr(course, name) != job.course_settings[name]
        and not _is_the_sites_choice(job, name)
    ]


def _is_the_sites_choice(job: DuplicationJob, name: str) -> bool:
    """An end date that only moves with the start is computed by the site, if its start call takes the start date."""
    return name == "enddate" and job.enddate is None and abilities(job.driver).details

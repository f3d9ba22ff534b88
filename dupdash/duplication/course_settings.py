"""Computes the course settings of a copy, sets them in Moodle, and compares them with the finished copy."""

import logging
from typing import Any

from dupdash.duplication.course_dates import dates_to_set
from dupdash.duplication.models import DuplicationJob
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import abilities
from dupdash.moodle.errors import MoodleError, NoTrustworthyAnswer
from dupdash.moodle.records import Course

logger = logging.getLogger("dupdash.course_settings")

# Labels in the order in which the settings are listed. PostgreSQL does not keep the order of a JSON object.
LABELS = {"startdate": "start date", "enddate": "end date", "idnumber": "ID number"}
# An update is sent again if its answer is lost, at most this many times in all. A second update is harmless.
TRIES = 2


def settings_of_copy(job: DuplicationJob, source: Course) -> dict[str, int | str]:
    """Return the course settings that the copy gets, keyed by Moodle's field names; empty if none is requested."""
    wanted: dict[str, int | str] = dict(dates_to_set(job.startdate, job.enddate, source))
    return wanted | ({"idnumber": job.idnumber} if job.idnumber else {})


def sets_after_copy(job: DuplicationJob) -> bool:
    """Return whether the settings must be set on the finished copy, because the driver cannot send them before."""
    return bool(job.course_settings) and not abilities(job.driver).details


def set_after_copy(job: DuplicationJob, course_id: int, client: MoodleClient) -> str:
    """Set the settings on a finished copy. Returns "", or the error if Moodle did not confirm it."""
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
    """Return the course settings that are not as requested: "name", the "wanted" value, and the value in the "copy"."""
    return [
        {"name": name, "wanted": job.course_settings[name], "copy": getattr(course, name)}
        for name in LABELS
        if name in job.course_settings
        and getattr(course, name) != job.course_settings[name]
        and not _is_the_sites_choice(job, name)
    ]


def _is_the_sites_choice(job: DuplicationJob, name: str) -> bool:
    """Return whether the site computes this setting: the end date, if the start call contained only a start date."""
    return name == "enddate" and job.enddate is None and abilities(job.driver).details

"""The dates and the idnumber that a job asks for, in words."""

from dupdash.duplication.models import DuplicationJob
from dupdash.moodle.options import ABILITIES, Driver


def settings_in_words(job: DuplicationJob, driver: Driver) -> tuple[str, ...]:
    """A line each; empty where the copy keeps what its source has."""
    lines = [
        f"{label} {day:%-d %b %Y}"
        for label, day in (("Start date", job.startdate), ("End date", job.enddate))
        if day is not None
    ]
    if job.startdate:
        moves = ABILITIES[driver].details
        lines.append(
            "Dates of activities move along" if moves else "Dates of activities stay as they are in the source"
        )
    return (*lines, *((f"ID number {job.idnumber}",) if job.idnumber else ()))

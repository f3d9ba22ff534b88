"""Describes the requested dates and the ID number of a job."""

from dupdash.duplication.models import DuplicationJob
from dupdash.moodle.driver_abilities import ABILITIES, Driver


def settings_in_words(job: DuplicationJob, driver: Driver) -> tuple[str, ...]:
    """Return one line for each requested setting; empty if no setting was requested."""
    lines = [
        f"{label} {day:%-d %b %Y}"
        for label, day in (("Start date", job.startdate), ("End date", job.enddate))
        if day is not None
    ]
    if job.startdate:
        moves = ABILITIES[driver].details
        lines.append("Dates of activities move with the start date" if moves else "Dates of activities stay the same")
    return (*lines, *((f"ID number {job.idnumber}",) if job.idnumber else ()))

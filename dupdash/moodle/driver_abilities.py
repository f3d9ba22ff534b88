"""Defines the drivers that make copies through the web services of a site, and what each of them can do.

``options.py`` lists what each driver does with the ten options.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Driver = Literal["synchronous", "asynchronous", "plugin"]

SYNCHRONOUS: Driver = "synchronous"
# The two proposed functions (MDL-64916).
ASYNCHRONOUS: Driver = "asynchronous"
# The same, with additional functions and parameters: the Moodle plugin of this project, or another dupdash.
PLUGIN: Driver = "plugin"
DRIVERS: tuple[Driver, ...] = (SYNCHRONOUS, ASYNCHRONOUS, PLUGIN)


@dataclass(frozen=True)
class Abilities:
    """The abilities of a driver, apart from the options that it supports.

    ``runs_in_background``: the start call returns at once, and dupdash then polls the status of the copy.
    ``hidden``: it can make hidden copies.
    ``details``: its start call takes a start date, an end date and an ID number, and moves the dates of the activities.
    ``idempotent_start``: its start call takes an idempotency key, so that repeating it cannot make a second copy. Its
    result names the course, and backups of one source at the same moment do not collide.
    ``reports_overall_progress``: it reports one progress for backup and restore together, and many copies in one call.
    ``stops_copies``: it can stop a running copy, and then deletes the new course.
    """

    runs_in_background: bool = False
    hidden: bool = False
    details: bool = False
    idempotent_start: bool = False
    reports_overall_progress: bool = False
    stops_copies: bool = False


ABILITIES: Mapping[str, Abilities] = {
    SYNCHRONOUS: Abilities(hidden=True),
    ASYNCHRONOUS: Abilities(runs_in_background=True),
    PLUGIN: Abilities(
        runs_in_background=True,
        hidden=True,
        details=True,
        idempotent_start=True,
        reports_overall_progress=True,
        stops_copies=True,
    ),
}


def abilities(driver: str) -> Abilities:
    """Return the abilities of a job's driver.

    For a job that has no driver yet, they are those of the synchronous driver.
    """
    return ABILITIES.get(driver, ABILITIES[SYNCHRONOUS])

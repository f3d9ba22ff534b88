"""Chooses the driver for a copy, based on the functions that the site offers to dupdash's token."""

from django.conf import settings

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.moodle.driver_abilities import ABILITIES, ASYNCHRONOUS, DRIVERS, PLUGIN, SYNCHRONOUS, Driver
from dupdash.moodle.records import SiteInfo

# Moodle's stock function, which duplicates a course in one call.
DUPLICATE = "core_course_duplicate_course"
START = "core_course_async_duplicate_course"
FOLLOW = "core_course_async_duplicate_course_get_status"
# The additional functions of the Moodle plugin and of dupdash's own web services.
FOLLOW_MANY = "core_course_async_duplicate_course_get_statuses"
RESULT = "core_course_async_duplicate_course_get_result"
CANCEL = "core_course_async_duplicate_course_cancel"
SERVICES: dict[Driver, tuple[str, ...]] = {
    SYNCHRONOUS: (DUPLICATE,),
    ASYNCHRONOUS: (START, FOLLOW),
    PLUGIN: (START, FOLLOW, FOLLOW_MANY, RESULT, CANCEL),
}
DELETE = "core_course_delete_courses"
UPDATE = "core_course_update_courses"
READS = (
    "core_webservice_get_site_info",
    "core_course_get_categories",
    "core_course_get_courses_by_field",
    "core_course_search_courses",
    "core_course_get_contents",
)
# Functions that dupdash can do without, and what does not work without them.
OPTIONAL = {
    DELETE: "dupdash cannot delete partial courses and unwanted copies",
    "core_user_get_users_by_field": "faculty cannot request copies, because dupdash cannot find them in Moodle",
    UPDATE: "copies keep the dates of their sources and get no ID number, unless the Moodle plugin is installed, and "
    "the sources of a batch cannot be hidden",
    "core_enrol_get_enrolled_users": "a batch cannot be undone, because dupdash cannot see whether its copies are used",
    "core_enrol_get_users_courses": "faculty cannot choose from a list of their courses and must search for them",
}


def choose_driver(site: SiteInfo) -> Driver:
    """Return the driver for this site: MOODLE_DRIVER if it is set, otherwise the most capable driver of the site."""
    if forced := _forced_driver():
        return forced
    best_first: tuple[Driver, ...] = (PLUGIN, ASYNCHRONOUS)
    return next((driver for driver in best_first if site.offers(*SERVICES[driver])), SYNCHRONOUS)


def driver_for_copy(driver: Driver, *, visible: bool) -> Driver:
    """Return the driver for one copy.

    It is ``driver``, or the synchronous driver if the copy is to be hidden and ``driver`` cannot make hidden copies.
    """
    return driver if visible or ABILITIES[driver].hidden else SYNCHRONOUS


def expected_driver(health: MoodleHealth, *, visible: bool) -> Driver:
    """Return the driver for a copy that is requested now, according to the last stored site info.

    Without a stored site info it is the synchronous driver.
    """
    return driver_for_copy(_forced_driver() or _known_driver(health.driver), visible=visible)


def driver_of_job(job: DuplicationJob, health: MoodleHealth) -> Driver:
    """Return the driver that a job was sent with, or will be sent with."""
    if job.driver:
        return _known_driver(job.driver)
    return expected_driver(health, visible=job.visible)


def _known_driver(name: str) -> Driver:
    """Return the driver with a stored name.

    An empty name, stored before a driver was chosen, means the synchronous driver.
    """
    return next((driver for driver in DRIVERS if driver == name), SYNCHRONOUS)


def _forced_driver() -> Driver | None:
    return next((driver for driver in DRIVERS if driver == settings.MOODLE_DRIVER), None)


def missing_functions(site: SiteInfo) -> list[str]:
    """Return the functions that every job needs but that the token may not call."""
    needed = (*READS, *SERVICES[choose_driver(site)])
    return [name for name in needed if site.lacks(name)]

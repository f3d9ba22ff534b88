"""Whether the Moodle can be worked with: pausing dispatch on a fault of configuration, probing, and resuming.

Rule 6: such a fault fails no job. The queue is kept, and goes on by itself when the fault is mended.
"""

import logging
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import open_async_client
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.moodle.options import ASYNCHRONOUS, SYNCHRONOUS, Driver
from dupdash.moodle.records import SiteInfo

logger = logging.getLogger("dupdash.moodle")

ADD_FUNCTIONS = (
    "Add the missing functions to the web service of this token in Moodle: "
    "Site administration, Server, Web services, External services."
)

# What every job needs; the first name is what a site without the proposed services duplicates with.
DUPLICATE = "core_course_duplicate_course"
START = "core_course_async_duplicate_course"
FOLLOW = "core_course_async_duplicate_course_get_status"
# Only another dupdash has it; its figures are those of the whole duplication.
FOLLOW_MANY = "core_course_async_duplicate_course_get_statuses"
DELETE = "core_course_delete_courses"
READS = (
    "core_webservice_get_site_info",
    "core_course_get_categories",
    "core_course_get_courses_by_field",
    "core_course_search_courses",
    "core_course_get_contents",
)
# Without these dupdash works, but can do less: what is lost.
OPTIONAL = {
    DELETE: "partial courses and unwanted copies cannot be deleted from here",
    "core_user_get_users_by_field": "faculty cannot ask for copies: nobody can be found in Moodle",
    "core_enrol_get_users_courses": "faculty must search for the courses they teach instead of choosing from them",
}


def choose_driver(site: SiteInfo) -> Driver:
    """The driver for this site: forced by MOODLE_DRIVER, else the proposed services where the site has both."""
    return _forced_driver() or (ASYNCHRONOUS if {START, FOLLOW} <= site.functions else SYNCHRONOUS)


def driver_for_copy(driver: Driver, *, visible: bool) -> Driver:
    """The driver that makes one copy at a site of this driver: the proposed service makes visible copies only."""
    return driver if visible else SYNCHRONOUS


def expected_driver(health: MoodleHealth, *, visible: bool) -> Driver:
    """The driver that will make a copy requested now, as far as the last site info tells.

    Before the site was ever reached that is the driver of a stock Moodle.
    """
    known = ASYNCHRONOUS if health.driver == ASYNCHRONOUS else SYNCHRONOUS
    return driver_for_copy(_forced_driver() or known, visible=visible)


def driver_of_job(job: DuplicationJob, health: MoodleHealth) -> Driver:
    """The driver that a job was sent with, or will be sent with."""
    if job.driver:
        return ASYNCHRONOUS if job.driver == ASYNCHRONOUS else SYNCHRONOUS
    return expected_driver(health, visible=job.visible)


def _forced_driver() -> Driver | None:
    forced: dict[str, Driver] = {SYNCHRONOUS: SYNCHRONOUS, ASYNCHRONOUS: ASYNCHRONOUS}
    return forced.get(settings.MOODLE_DRIVER)


def missing_functions(site: SiteInfo) -> list[str]:
    """The functions that the token may not call and that no job can do without."""
    needed = (*READS, START, FOLLOW) if choose_driver(site) == ASYNCHRONOUS else (*READS, DUPLICATE)
    return [name for name in needed if name not in site.functions]


def read_site(client: MoodleClient) -> SiteInfo:
    """Ask the site what it is, and remember it. Raises MoodleError, ConfigurationFault for a missing function."""
    site = client.site_info()
    if settings.ASYNC_URL:
        with open_async_client() as native:
            proposed = native.site_info().functions & {START, FOLLOW, FOLLOW_MANY}
        site = replace(site, functions=site.functions | proposed)
    if missing := missing_functions(site):
        raise ConfigurationFault(
            f"The token may not call {', '.join(missing)}.",
            errorcode="accessexception",
            advice=ADD_FUNCTIONS,
        )
    MoodleHealth.current()
    MoodleHealth.objects.update(
        last_response_at=timezone.now(),
        site_name=site.sitename[:255],
        site_url=site.siteurl[:500],
        release=site.release[:100],
        driver=choose_driver(site),
        may_delete=DELETE in site.functions,
    )
    return site


def pause(fault: ConfigurationFault) -> None:
    """Stop dispatching, keep every queued job, and say why; probing begins."""
    with transaction.atomic():
        health = MoodleHealth.current()
        if health.paused_at is None:
            health.paused_at = timezone.now()
            # A fault that is met while paused must not put the probe off again and again.
            health.probe_at = timezone.now() + timedelta(seconds=settings.PROBE_INTERVAL)
            logger.error("dispatch is paused: %s %s", fault, fault.advice)
        health.fault_code = fault.errorcode[:100]
        health.fault_message = fault.message
        health.advice = fault.advice
        health.save()
        # Whoever was told to run takes its message in vain.
        DuplicationJob.objects.filter(state=State.QUEUED).update(dispatched_at=None)


def probe_if_due(client: MoodleClient) -> None:
    """While paused: ask the site whether it can be worked with again, and resume if so."""
    now = timezone.now()
    due = MoodleHealth.objects.filter(paused_at__isnull=False, probe_at__lte=now)
    if not due.update(probe_at=now + timedelta(seconds=settings.PROBE_INTERVAL)):
        return
    try:
        read_site(client)
        # A site in maintenance answers the site info of some accounts, and refuses everything else.
        client.categories()
    except ConfigurationFault as fault:
        pause(fault)
    except MoodleError as error:
        logger.warning("the Moodle cannot be worked with yet: %s", error)
    else:
        resume()


def resume() -> None:
    """Go on dispatching."""
    changed = MoodleHealth.objects.filter(paused_at__isnull=False).update(
        paused_at=None, fault_code="", fault_message="", advice="", probe_at=None
    )
    if changed:
        logger.warning("dispatch goes on: the Moodle can be worked with again")

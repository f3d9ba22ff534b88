"""Pauses dispatch while the Moodle site cannot be used, probes it, and resumes.

Two kinds of fault concern the whole site: a fault of the configuration, which somebody must fix, and an outage, which
passes. Neither fails a job (rule 6): the queue is kept, and dispatch resumes by itself when a probe succeeds.
"""

import functools
import logging
import math
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone
from msgspec.structs import replace

from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import open_async_client, open_client
from dupdash.duplication.recent_answers import forget, recent
from dupdash.duplication.states import BUSY, State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused, TryAgain, UnknownRefusal
from dupdash.moodle.options import ABILITIES, ASYNCHRONOUS, DRIVERS, PLUGIN, SYNCHRONOUS, Driver
from dupdash.moodle.records import UNKNOWN_SITE, SiteInfo
from dupdash.moodle.site_address import site_address

logger = logging.getLogger("dupdash.moodle")

ADD_FUNCTIONS = (
    "Add the missing functions to the web service of this token in Moodle: "
    "Site administration, Server, Web services, External services."
)

OUTAGE_ADVICE = (
    "dupdash asks the site again and again, and resumes by itself. If the outage lasts, check on the server of dupdash "
    "whether the address in MOODLE_URL opens."
)
# The clock of the site and ours are not the same, and a report takes time.
CRON_PRECISION = timedelta(seconds=5)
# Moodle could not put its own answer into the shape that it promises.
INVALID_RESPONSE = "invalidresponse"

# What every job needs; the first name is what a site without the proposed services duplicates with.
DUPLICATE = "core_course_duplicate_course"
START = "core_course_async_duplicate_course"
FOLLOW = "core_course_async_duplicate_course_get_status"
# The Moodle plugin and another dupdash have these beside them; their progress is that of the whole duplication.
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
# Without these dupdash works, but can do less: what is lost.
OPTIONAL = {
    DELETE: "partial courses and unwanted copies cannot be deleted from here",
    "core_user_get_users_by_field": "faculty cannot ask for copies: nobody can be found in Moodle",
    UPDATE: "copies keep the dates of their sources and get no ID number, unless the Moodle plugin is installed",
    "core_enrol_get_users_courses": "faculty must search for the courses they teach instead of choosing from them",
}


def choose_driver(site: SiteInfo) -> Driver:
    """The driver for this site: forced by MOODLE_DRIVER, else the ablest whose services the site offers."""
    if forced := _forced_driver():
        return forced
    abler: tuple[Driver, ...] = (PLUGIN, ASYNCHRONOUS)
    return next((driver for driver in abler if site.offers(*SERVICES[driver])), SYNCHRONOUS)


def driver_for_copy(driver: Driver, *, visible: bool) -> Driver:
    """The driver that makes one copy at a site of this driver: one that makes visible copies only makes no other."""
    return driver if visible or ABILITIES[driver].hidden else SYNCHRONOUS


def expected_driver(health: MoodleHealth, *, visible: bool) -> Driver:
    """The driver that will make a copy requested now, as far as the last site info tells.

    Before the site was ever reached that is the driver of a stock Moodle.
    """
    return driver_for_copy(_forced_driver() or _known_driver(health.driver), visible=visible)


def driver_of_job(job: DuplicationJob, health: MoodleHealth) -> Driver:
    """The driver that a job was sent with, or will be sent with."""
    if job.driver:
        return _known_driver(job.driver)
    return expected_driver(health, visible=job.visible)


def _known_driver(name: str) -> Driver:
    """The driver of a stored name; the synchronous one for "", before any was chosen."""
    return next((driver for driver in DRIVERS if driver == name), SYNCHRONOUS)


def _forced_driver() -> Driver | None:
    return next((driver for driver in DRIVERS if driver == settings.MOODLE_DRIVER), None)


def missing_functions(site: SiteInfo) -> list[str]:
    """The functions that the token is known not to be allowed to call, and that every job needs."""
    needed = (*READS, *SERVICES[choose_driver(site)])
    return [name for name in needed if site.lacks(name)]


def ask_site(client: MoodleClient) -> SiteInfo:
    """The site info; UNKNOWN_SITE where only this call fails. Raises MoodleError.

    One odd field makes Moodle answer ``invalidresponse`` instead of everything else that it knows (measured).
    """
    try:
        return client.site_info()
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise
        logger.warning("the site cannot describe itself, so its functions are not known: %s", error)
        return UNKNOWN_SITE


def read_site(client: MoodleClient) -> SiteInfo:
    """Ask the site what it is, and remember it. Raises MoodleError, ConfigurationFault for a missing function."""
    site = ask_site(client)
    if settings.ASYNC_URL:
        with open_async_client() as native:
            offered = ask_site(native).functions or frozenset()
        site = replace(site, functions=(site.functions or frozenset()) | (offered & set(SERVICES[PLUGIN])))
    if missing := missing_functions(site):
        raise ConfigurationFault(
            f"The token may not call {', '.join(missing)}.",
            errorcode="accessexception",
            advice=ADD_FUNCTIONS,
        )
    known: dict[str, str | bool] = {
        "driver": choose_driver(site),
        "may_delete": not site.lacks(DELETE),
        "may_update": site.offers(UPDATE),
    }
    if site is not UNKNOWN_SITE:
        if difference := address_difference(site.siteurl, settings.MOODLE_URL):
            _warn_once(difference)
        known |= {
            "site_name": site.sitename[:255],
            "site_url": _address(site.siteurl),
            "release": site.release[:100],
        }
    MoodleHealth.current()
    MoodleHealth.objects.update(last_response_at=timezone.now(), **known)
    return site


def record_cron(idle_for: float | None) -> None:
    """Remember when the cron of the Moodle was started last. Written only where that has changed by seconds."""
    if idle_for is None:
        return
    ran_at = timezone.now() - timedelta(seconds=idle_for) if math.isfinite(idle_for) else None
    known = MoodleHealth.current().cron_run_at
    if ran_at is not None and known is not None and abs(ran_at - known) < CRON_PRECISION:
        return
    if ran_at != known:
        MoodleHealth.objects.update(cron_run_at=ran_at)


def recent_site(client: MoodleClient) -> SiteInfo:
    """The result of ``read_site``, up to a minute old."""
    return recent(("site", client.site_url, settings.ASYNC_URL, settings.MOODLE_DRIVER), lambda: read_site(client))


def _address(siteurl: str) -> str:
    """The address that the site names, for links; "" for a text that is none."""
    try:
        return site_address(siteurl)[:500]
    except ValueError:
        return ""


def address_difference(siteurl: str, configured: str) -> str:
    """The warning that the site has another address than MOODLE_URL; "" where both are the same."""
    if not siteurl or siteurl.rstrip("/") == configured.rstrip("/"):
        return ""
    return (
        f"The site calls itself {siteurl}, and MOODLE_URL is {configured}. Links to courses use the address of the "
        "site. If both are the same site, set MOODLE_URL to that address."
    )


@functools.cache
def _warn_once(warning: str) -> None:
    logger.warning(warning)


def log_site_at_start() -> None:
    """Ask the site what it is when the worker starts, and log what is wrong. A site that is down delays nothing."""
    try:
        with open_client() as client:
            site = read_site(client)
        logger.info("the Moodle is %s (%s), version %s", site.sitename, site.siteurl, site.release)
    except MoodleError as error:
        logger.warning("the Moodle cannot be used: %s", error)
    except DatabaseError as error:
        logger.warning("the site info could not be stored: %s", error)
    finally:
        connection.close()


def no_category() -> ConfigurationFault:
    """The fault that Moodle answers, and shows no category at all."""
    return ConfigurationFault(
        "The service account sees no category in Moodle.",
        advice="Moodle answers, so this is a missing capability: allow moodle/category:viewcourselist in the role of "
        "the account, and moodle/category:viewhiddencategories for hidden categories.",
    )


def check_site(client: MoodleClient) -> None:
    """Check that the site can be used. Raises MoodleError where it cannot, for whatever request."""
    read_site(client)
    try:
        # A site in maintenance answers the site info of some accounts, and refuses everything else.
        client.categories()
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise


def fault_of_site(client: MoodleClient, error: MoodleError) -> MoodleError | None:
    """The fault that affects every job, None where ``error`` affects one request only.

    An error that may have other causes than the site is believed only after another, simple request failed, too.
    """
    if isinstance(error, ConfigurationFault):
        return error
    if isinstance(error, Refused | TryAgain):
        return None
    try:
        check_site(client)
    except MoodleError as fault:
        return fault
    return None


def pause(fault: MoodleError) -> None:
    """Stop dispatching, keep every queued job, and say why; probing begins."""
    outage = not isinstance(fault, ConfigurationFault)
    advice = fault.advice if isinstance(fault, ConfigurationFault) else OUTAGE_ADVICE
    now = timezone.now()
    forget()
    with transaction.atomic():
        health = MoodleHealth.current()
        if health.paused_at is None:
            health.paused_at = now
            # A fault that is met while paused must not put the probe off again and again.
            health.probe_at = now + timedelta(seconds=settings.RETRY_FIRST if outage else settings.PROBE_INTERVAL)
            logger.error("dispatch is paused: %s", fault)
        if fault.retry_after:
            health.probe_at = max(health.probe_at or now, now + timedelta(seconds=fault.retry_after))
        health.is_outage = outage
        health.fault_code = fault.errorcode[:100]
        health.fault_message = str(fault) if outage else fault.message
        health.advice = advice
        health.save()
        # Their messages are still in the queue: workers that receive one find nothing to claim.
        DuplicationJob.objects.filter(state=State.QUEUED).update(dispatched_at=None)


def probe_if_due(client: MoodleClient) -> None:
    """While paused: ask the site whether it can be used again, and resume if so."""
    now = timezone.now()
    due = MoodleHealth.objects.filter(paused_at__isnull=False, probe_at__lte=now)
    if not due.update(probe_at=now + timedelta(seconds=settings.PROBE_INTERVAL)):
        return
    try:
        check_site(client)
    except MoodleError as fault:
        pause(fault)
    else:
        resume()


def is_down() -> bool:
    """Whether the site was found to be down, and did not answer a probe since."""
    return MoodleHealth.objects.filter(paused_at__isnull=False, is_outage=True).exists()


def resume() -> None:
    """Resume dispatch. Jobs that are checked get the time back for which the site could not be asked."""
    with transaction.atomic():
        health = MoodleHealth.objects.select_for_update().filter(paused_at__isnull=False).first()
        if health is None or health.paused_at is None:
            return
        _extend_deadlines(health.paused_at)
        MoodleHealth.objects.update(
            paused_at=None, is_outage=False, fault_code="", fault_message="", advice="", probe_at=None
        )
    logger.warning("dispatch resumes: the Moodle can be used again")


def _extend_deadlines(paused_at: datetime) -> None:
    now = timezone.now()
    for job in DuplicationJob.objects.filter(state__in=BUSY, sent_at__isnull=False):
        waited = now - max(paused_at, job.checking_since or job.sent_at or now)
        DuplicationJob.objects.filter(pk=job.pk).update(paused_seconds=F("paused_seconds") + waited.total_seconds())

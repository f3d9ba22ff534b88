"""Pauses dispatch while the Moodle site cannot be used, probes the site, and resumes dispatch.

Two kinds of fault affect the whole site: an outage, which passes, and a configuration fault, which somebody must fix.
Neither makes a job fail: jobs stay in the queue, and dispatch resumes by itself when a probe succeeds (rule 6).
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

from dupdash.duplication.driver_choice import DELETE, SERVICES, UPDATE, choose_driver, missing_functions
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.moodle_clients import open_async_client, open_client
from dupdash.duplication.recent_answers import forget, recent
from dupdash.duplication.states import BUSY, State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import PLUGIN
from dupdash.moodle.errors import ConfigurationFault, MoodleError, Refused, TryAgain, UnknownRefusal
from dupdash.moodle.records import UNKNOWN_SITE, SiteInfo
from dupdash.moodle.site_url import checked_site_url

logger = logging.getLogger("dupdash.moodle")

ADD_FUNCTIONS = (
    "In Moodle, under Site administration, Server, Web services, External services, add the missing functions to the "
    "service that dupdash’s token (MOODLE_TOKEN) belongs to."
)

OUTAGE_ADVICE = (
    "dupdash tries the site regularly, and continues by itself when the site works again. If the outage lasts, check "
    "on dupdash’s server whether the address in MOODLE_URL opens."
)
# Differences below this are clock differences and transmission times.
CRON_PRECISION = timedelta(seconds=5)
# Moodle's error code for a result that does not match its own description of the result.
INVALID_RESPONSE = "invalidresponse"


def ask_site(client: MoodleClient) -> SiteInfo:
    """Return the site info; UNKNOWN_SITE if Moodle cannot return it. Raises MoodleError.

    One field with an invalid value makes Moodle answer ``invalidresponse`` instead of the site info (measured).
    """
    try:
        return client.site_info()
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise
        logger.warning("Moodle cannot return its site info, so its functions are unknown: %s", error)
        return UNKNOWN_SITE


def read_site(client: MoodleClient) -> SiteInfo:
    """Read the site info, store what dupdash needs of it, and return it.

    Its functions include those of the server that ASYNC_URL names, unless Moodle cannot return its own. Raises
    MoodleError; this is a ConfigurationFault if the token may not call a function that dupdash needs.
    """
    site = ask_site(client)
    if settings.ASYNC_URL and site.functions is not None:
        with open_async_client() as service:
            offered = ask_site(service).functions or frozenset()
        site = replace(site, functions=site.functions | (offered & set(SERVICES[PLUGIN])))
    if missing := missing_functions(site):
        raise ConfigurationFault(
            f"dupdash’s token may not call {', '.join(missing)}.",
            errorcode="accessexception",
            advice=ADD_FUNCTIONS,
        )
    known: dict[str, str | bool] = {
        "driver": choose_driver(site),
        "may_delete": not site.lacks(DELETE),
        "may_update": site.offers(UPDATE),
    }
    if site is not UNKNOWN_SITE:
        if difference := url_difference(site.siteurl, settings.MOODLE_URL):
            _warn_once(difference)
        known |= {
            "site_name": site.sitename[:255],
            "site_url": _own_url(site.siteurl),
            "release": site.release[:100],
        }
    MoodleHealth.current()
    MoodleHealth.objects.update(last_response_at=timezone.now(), **known)
    return site


def record_cron(idle_for: float | None) -> None:
    """Store when Moodle's cron last ran, unless the stored time differs by only a few seconds.

    ``idle_for``: the seconds since then; infinite if cron has never run. If it is None (unknown), stores nothing.
    """
    if idle_for is None:
        return
    ran_at = timezone.now() - timedelta(seconds=idle_for) if math.isfinite(idle_for) else None
    known = MoodleHealth.current().cron_run_at
    if ran_at is not None and known is not None and abs(ran_at - known) < CRON_PRECISION:
        return
    if ran_at != known:
        MoodleHealth.objects.update(cron_run_at=ran_at)


def recent_site(client: MoodleClient) -> SiteInfo:
    """Return the result of ``read_site``, which may be up to a minute old."""
    return recent(("site", client.site_url, settings.ASYNC_URL, settings.MOODLE_DRIVER), lambda: read_site(client))


def _own_url(siteurl: str) -> str:
    """Return the site's own URL, for links; "" if it is not a valid URL."""
    try:
        return checked_site_url(siteurl)[:500]
    except ValueError:
        return ""


def url_difference(siteurl: str, configured: str) -> str:
    """Return a warning if the site's own URL differs from MOODLE_URL; "" if they are equal."""
    if not siteurl or siteurl.rstrip("/") == configured.rstrip("/"):
        return ""
    difference = f"The site calls itself {siteurl}, and MOODLE_URL is {configured}."
    own = _own_url(siteurl)
    if not own:
        return f"{difference} Links to courses begin with MOODLE_URL, because the site’s own URL is not valid."
    return f"{difference} Links to courses begin with {own}. If both URLs open the same site, set MOODLE_URL to {own}."


@functools.cache
def _warn_once(warning: str) -> None:
    logger.warning(warning)


def log_site_at_start() -> None:
    """Read and store the site info when the worker starts. Logs the site, or why this failed."""
    try:
        with open_client() as client:
            site = read_site(client)
        logger.info("the Moodle site is %s (%s), version %s", site.sitename, site.siteurl, site.release)
    except MoodleError as error:
        logger.warning("the Moodle site cannot be used: %s", error)
    except DatabaseError as error:
        logger.warning("the site info could not be stored: %s", error)
    finally:
        connection.close()


def no_category() -> ConfigurationFault:
    """Return the configuration fault that dupdash reports if the service account sees no category."""
    return ConfigurationFault(
        "The service account sees no category in Moodle.",
        advice="Moodle answers, so this is a missing capability: allow moodle/category:viewcourselist in the role of "
        "the account, and moodle/category:viewhiddencategories for hidden categories.",
    )


def check_site(client: MoodleClient) -> None:
    """Raise a MoodleError if dupdash cannot use the site."""
    read_site(client)
    try:
        # In maintenance mode Moodle answers this call for some accounts, although it refuses everything else.
        client.categories()
    except UnknownRefusal as error:
        if error.errorcode != INVALID_RESPONSE:
            raise


def fault_of_site(client: MoodleClient, error: MoodleError) -> MoodleError | None:
    """Return the fault of the whole site, or None if ``error`` affects one request only.

    The fault is ``error`` itself if its type shows that. If ``error`` may have either cause, ``check_site`` decides:
    the fault is the error that it raises.
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
    """Pause dispatch and start probing. If dispatch is already paused, only store the new fault. Jobs stay queued."""
    outage = not isinstance(fault, ConfigurationFault)
    advice = fault.advice if isinstance(fault, ConfigurationFault) else OUTAGE_ADVICE
    now = timezone.now()
    forget()
    with transaction.atomic():
        health = MoodleHealth.current()
        if health.paused_at is None:
            health.paused_at = now
            # Faults during the pause must not postpone the probe.
            health.probe_at = now + timedelta(seconds=settings.RETRY_FIRST if outage else settings.PROBE_INTERVAL)
            logger.error("dispatch is paused: %s", fault)
        if fault.retry_after:
            health.probe_at = max(health.probe_at or now, now + timedelta(seconds=fault.retry_after))
        health.is_outage = outage
        health.fault_code = fault.errorcode[:100]
        health.fault_message = str(fault) if outage else fault.message
        health.advice = advice
        health.save()
        # Their messages stay in django-q2's queue. A worker that receives one finds nothing to claim.
        DuplicationJob.objects.filter(state=State.QUEUED).update(dispatched_at=None)


def probe_if_due(client: MoodleClient) -> None:
    """If a probe is due, check whether the site can be used again, and resume dispatch if it can."""
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
    """Return whether dispatch is paused because of an outage."""
    return MoodleHealth.objects.filter(paused_at__isnull=False, is_outage=True).exists()


def resume() -> None:
    """Resume dispatch; do nothing if it is not paused.

    A job that is running or being checked gets a later deadline: by its time in the pause.
    """
    with transaction.atomic():
        health = MoodleHealth.objects.select_for_update().filter(paused_at__isnull=False).first()
        if health is None or health.paused_at is None:
            return
        _extend_deadlines(health.paused_at)
        MoodleHealth.objects.update(
            paused_at=None, is_outage=False, fault_code="", fault_message="", advice="", probe_at=None
        )
    logger.warning("dispatch resumes: the Moodle site can be used again")


def _extend_deadlines(paused_at: datetime) -> None:
    now = timezone.now()
    for job in DuplicationJob.objects.filter(state__in=BUSY, sent_at__isnull=False):
        waited = now - max(paused_at, job.checking_since or job.sent_at or now)
        DuplicationJob.objects.filter(pk=job.pk).update(paused_seconds=F("paused_seconds") + waited.total_seconds())

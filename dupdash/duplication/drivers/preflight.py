"""The preflight: checks in Moodle whether the request of a job may be sent, and then marks it as sent."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from dupdash.duplication.course_settings import settings_of_copy
from dupdash.duplication.drivers import outcomes
from dupdash.duplication.drivers.lookup import courses_of_other_jobs, first_temporary_names, take_baseline
from dupdash.duplication.drivers.outcomes import Outcome
from dupdash.duplication.expectation import expect
from dupdash.duplication.explanations import TAKEN, UNSUPPORTED_OPTIONS
from dupdash.duplication.models import DuplicationJob, Phase
from dupdash.duplication.moodle_clients import read_together
from dupdash.duplication.name_display import isolate
from dupdash.duplication.queue.leases import Lease
from dupdash.duplication.recent_answers import recent_contents
from dupdash.duplication.transitions import StaleJob, record_event
from dupdash.duplication.truncation import truncate_for
from dupdash.moodle import errors, options
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import Driver, abilities

logger = logging.getLogger("dupdash.preflight")

SENT = "The request was sent to Moodle. dupdash sends it again only if it is certain that Moodle made no copy."
SENT_WITH_KEY = (
    "dupdash asked Moodle to start the copy. If the answer is lost, dupdash repeats the request. Moodle recognises it "
    "and makes only one copy."
)


def outcome_of_failed_read(error: errors.MoodleError) -> Outcome:
    """Return the outcome if a read before sending failed. Whatever the error is, this job started nothing."""
    match error:
        case errors.ConfigurationFault():
            return outcomes.SiteUnavailable(error)
        case errors.Refused():
            return outcomes.Refused(error.errorcode, error.message, error.raw_error)
        case _:
            return outcomes.NothingStarted(error)


def check_and_mark_sent(job: DuplicationJob, lease: Lease, client: MoodleClient, *, driver: Driver) -> Outcome | None:
    """Run the preflight of a job, then store the baseline and mark the request as sent.

    The mark is stored before sending, so that the request is never sent twice (rule 3). Returns None if the request
    must be sent now, otherwise the outcome that ends this attempt.
    """
    try:
        return _check_and_mark_sent(job, lease, client, driver)
    except errors.MoodleError as error:
        return outcome_of_failed_read(error)
    except StaleJob:
        return outcomes.LeaseLost()
    except IntegrityError:
        # Two backups of one source collide (rule 4).
        return outcomes.SourceIsBusy()


def _check_and_mark_sent(job: DuplicationJob, lease: Lease, client: MoodleClient, driver: Driver) -> Outcome | None:
    # The site may have changed since the request was accepted.
    if reason := options.refusal(job.options, driver):
        return outcomes.Refused(UNSUPPORTED_OPTIONS, reason)
    # A site that takes an idempotency key checks the name itself, and its result names the course.
    needs_no_baseline = abilities(driver).idempotent_start
    names = [] if needs_no_baseline else [job.shortname, *first_temporary_names(job)]
    source, activities, *found = read_together(client, _reads(job, names))
    known = dict(zip(names, found, strict=True))
    if source is None:
        return outcomes.Refused(
            "invalidcourseid",
            f"dupdash no longer finds the source, course {job.source_id}, in Moodle: it was deleted, or dupdash’s "
            "Moodle account may not see it.",
        )
    if taken := known.pop(job.shortname, []):
        return outcomes.Refused(
            TAKEN, f"Course {taken[0].id}, “{isolate(taken[0].fullname)}”, has the requested short name now."
        )
    # A call that is repeated with the same key must contain the same settings.
    course_settings = job.course_settings or settings_of_copy(job, source)
    others = courses_of_other_jobs(job)
    baseline = (
        {"names": [], "present": sorted(others)}
        if needs_no_baseline
        else take_baseline(client, job, source.shortname, others, known)
    )
    expected = expect(source.id, activities, job.options)
    if lease.lost.is_set():
        raise StaleJob(job.pk)
    try:
        record_event(
            job,
            kind="sent",
            reason=SENT_WITH_KEY if needs_no_baseline else SENT,
            guard={**lease.guard, "sent_at__isnull": True, "cancel_requested_at__isnull": True},
            data={"activities": activities, "temporary_names": baseline["names"][:3]},
            sent_at=timezone.now(),
            baseline=baseline,
            course_settings=course_settings,
            evidence={},
            likely_course_id=None,
            # Such a site also keeps backups of one source from colliding.
            source_released_at=timezone.now() if needs_no_baseline else None,
            moodle_done_at=None,
            moodle_queue_ahead=None,
            moodle_started_at=None,
            reported_progress=0.0,
            reported_at=None,
            driver=driver,
            phase=Phase.BACKUP,
            last_response_at=timezone.now(),
            source_shortname=truncate_for("source_shortname", source.shortname),
            source_fullname=truncate_for("source_fullname", source.fullname),
            source_activities=activities,
            expected_backup=expected.backup if expected else None,
            expected_restore=expected.restore if expected else None,
        )
    except StaleJob:
        job.refresh_from_db()
        if job.lease_owner == lease.owner and job.cancel_requested_at is not None:
            return outcomes.CancelledBeforeSending()
        raise
    return None


def _reads(job: DuplicationJob, names: list[str]) -> list[Callable[[MoodleClient], Any]]:
    """Return the lookups that are made before sending, to be run at the same time.

    They return, in this order: the source, the number of its activities, and the courses with each of the names.
    """

    def lookup(name: str) -> Callable[[MoodleClient], Any]:
        return lambda client: client.courses_by_shortname(name)

    return [
        lambda client: client.course_by_id(job.source_id),
        lambda client: _count_activities(job.source_id, client),
        *(lookup(name) for name in names),
    ]


def _count_activities(source_id: int, client: MoodleClient) -> int | None:
    """Return the number of activities of the source, for the estimate; None if Moodle cannot list them.

    One broken activity can make Moodle answer ``invalidresponse``, or nothing at all. Such a source can still be
    copied.
    """
    try:
        return recent_contents(client, source_id).activities
    except (errors.UnknownRefusal, errors.NoTrustworthyAnswer, errors.Refused) as error:
        logger.warning("the activities of course %s cannot be counted: %s", source_id, error)
        return None

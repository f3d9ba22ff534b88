"""Describes what dupdash knows about a copy that it checks in Moodle."""

from datetime import timedelta

from django.utils import timezone

from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.engine import deadlines
from dupdash.duplication.models import DuplicationJob
from dupdash.web.presentation.durations import roughly

NOT_SEEN = "The new course has not appeared yet."
# If Moodle answered with an error, the request has ended, so a few checks show everything that it left.
FEW_CHECKS = "dupdash checks a few more times before the job ends."


def while_it_is_checked(job: DuplicationJob) -> str:
    """Explain why dupdash checks a job in Moodle, what the checks have found, and what happens next."""
    why = "dupdash did not get Moodle’s answer. Checking in Moodle whether the copy was made."
    if job.request_error:
        why = "Moodle reported an error. Checking in Moodle whether a part of the copy was left."
    return f"{why} {_found(job)}"


def while_it_is_unresolved(job: DuplicationJob) -> str:
    """Explain what dupdash knows about a copy after the regular checks ended without proof."""
    if job.is_proven:
        return f"The new course (id {job.course_id}) is incomplete. dupdash keeps checking it from time to time."
    return "Nothing proves that the copy was made, or that it was not. dupdash keeps checking from time to time."


def next_check(job: DuplicationJob) -> str:
    """Return when dupdash checks in Moodle again, as text for the line below the progress bar."""
    left = job.check_at - timezone.now() if job.check_at else timedelta(0)
    return f"Next check in {roughly(left)}" if left > timedelta(0) else "Next check in a moment"


def _found(job: DuplicationJob) -> str:
    evidence = evidence_of(job)
    own = evidence.own
    if job.course_id is None or own is None:
        likely = evidence.present_candidates
        found = "A course that is probably the copy has appeared, but there is no proof yet." if likely else NOT_SEEN
        return f"{found} {_how_long(job)}".rstrip()
    course = f"The new course (id {job.course_id})"
    if own.missing:
        return f"{course} was not found in the last check. dupdash checks again."
    if own.has_names_and_contents:
        return f"{course} looks complete. One more check makes sure."
    if job.request_error:
        return f"{course} is incomplete. {FEW_CHECKS}"
    unchanged = roughly(timedelta(seconds=deadlines.unchanged_limit(job)))
    return f"{course} is not complete yet. If nothing changes for {unchanged}, it counts as partial."


def _how_long(job: DuplicationJob) -> str:
    if job.request_error:
        return FEW_CHECKS
    left = deadlines.checking_deadline(job) - timezone.now()
    return f"dupdash checks frequently for {roughly(left)} more." if left > timedelta(0) else ""

"""What is known so far of a copy that is looked up in Moodle, in sentences, while it happens."""

from datetime import timedelta

from django.utils import timezone

from dupdash.duplication.drivers.lookup import evidence_of
from dupdash.duplication.engine import deadlines
from dupdash.duplication.models import DuplicationJob
from dupdash.web.presentation.durations import roughly

NOTHING = "Nothing of the copy has been seen yet."
LONG_ENOUGH = "It was looked for long enough."
# Moodle is through with a request that it answered with an error: what is there then is all there is.
FEW_LOOKS = "A few more looks decide."


def while_it_is_checked(job: DuplicationJob) -> str:
    """Why a job is looked up, what was seen of its copy, and what follows from that."""
    why = "Moodle’s answer was lost, which proves nothing."
    if job.failure_code:
        why = "Moodle answered with an error, which does not say what it left behind."
    return f"{why} {_seen(job)}"


def while_it_is_unresolved(job: DuplicationJob) -> str:
    """What is known of a copy that was looked for long enough."""
    if job.is_proven:
        return (
            f"Its course, id {job.course_id}, is not complete, and how it will end is unknown. It is looked at again."
        )
    return "There is no proof that the copy was made, and none that it was not. Moodle is still looked at."


def next_look(job: DuplicationJob) -> str:
    """When Moodle is looked at again, for below the bar."""
    left = job.check_at - timezone.now() if job.check_at else timedelta(0)
    return f"The next look at Moodle comes in {roughly(left) if left > timedelta(0) else 'a moment'}"


def _seen(job: DuplicationJob) -> str:
    evidence = evidence_of(job)
    own = evidence.own
    if job.course_id is None or own is None:
        likely = evidence.present_candidates
        seen = "A course that is likely the copy was seen; there is no proof yet." if likely else NOTHING
        return f"{seen} {_how_long(job)}"
    its_course = f"Its course, id {job.course_id},"
    if own.missing:
        return f"{its_course} was not found at the last look, and is looked for again."
    if own.has_all:
        return f"{its_course} looks complete, and is looked at once more to be sure."
    if job.failure_code:
        return f"{its_course} was seen, and is not complete. {FEW_LOOKS}"
    still = roughly(timedelta(seconds=deadlines.unchanged_limit(job)))
    return f"{its_course} was seen, and is not complete yet. If it stands still for {still}, it is called partial."


def _how_long(job: DuplicationJob) -> str:
    if job.failure_code:
        return FEW_LOOKS
    left = deadlines.checking_deadline(job) - timezone.now()
    return f"Moodle is looked at closely for {roughly(left)} more." if left > timedelta(0) else LONG_ENOUGH

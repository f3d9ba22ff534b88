"""Hides the sources of an ended batch from students, and shows them again if the batch is undone."""

import logging
import time
from collections import Counter
from collections.abc import Iterator

from dupdash.duplication.models import Batch
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.states import State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NotSent
from dupdash.rollover.batches.progress import current_jobs
from dupdash.rollover.models import HiddenSource, Plan, SourceState

logger = logging.getLogger("dupdash.rollover")

# The page of a batch gives the reasons of at most this many sources that could not be hidden, or not shown again.
REASONS_MOST = 3

UNDER_WAY = (SourceState.WAITING, SourceState.SHOWING)


def hides_sources(batch: Batch) -> bool:
    """Return whether the sources of this batch are to be hidden when it has ended, as chosen at its start."""
    return Plan.objects.filter(batch=batch, start_settings__hide_sources=True).exists()


def note_sources(batch: Batch) -> None:
    """Store which sources are to be hidden: those of which all copies in this ended batch succeeded and still exist."""
    if not hides_sources(batch):
        return
    jobs = list(current_jobs(batch).values_list("source_id", "state", "course_deleted_at"))
    lacking = {source for source, state, deleted in jobs if state != State.SUCCEEDED or deleted}
    sources = sorted({source for source, _, _ in jobs} - lacking)
    # A batch can end twice if copies were retried. Sources that are already stored stay unchanged.
    HiddenSource.objects.bulk_create([HiddenSource(batch=batch, source_id=id) for id in sources], ignore_conflicts=True)


def show_again(batch: Batch) -> None:
    """Mark sources to be shown again: those that this batch has hidden, and of which it has no copy any more."""
    copied = current_jobs(batch).filter(state=State.SUCCEEDED, course_deleted_at__isnull=True)
    hidden = HiddenSource.objects.filter(batch=batch).exclude(source_id__in=copied.values("source_id"))
    hidden.filter(state=SourceState.WAITING).delete()
    hidden.filter(state__in=(SourceState.HIDDEN, SourceState.STUCK)).update(state=SourceState.SHOWING, reason="")


def continue_hiding(deadline: float) -> None:
    """Hide and show the marked sources until the deadline, a time of the monotonic clock.

    If Moodle cannot be reached, the remaining sources stay marked, and a later call hides and shows them.
    """
    waiting = HiddenSource.objects.filter(state__in=UNDER_WAY)
    if not waiting.exists():
        return
    try:
        with open_client() as client:
            while time.monotonic() < deadline and (source := waiting.first()) is not None:
                _set_visibility(source, client)
                source.save(update_fields=["state", "reason"])
    except (NotSent, ConfigurationFault) as error:
        logger.warning("sources of ended batches cannot be hidden now: %s", error)


def _set_visibility(source: HiddenSource, client: MoodleClient) -> None:
    shows = source.state == SourceState.SHOWING
    try:
        course = client.course_by_id(source.source_id)
        if course is None:
            source.state = SourceState.GONE
        elif not shows and course.visible is False:
            source.state = SourceState.BEFORE
        else:
            client.update_course(source.source_id, {"visible": int(shows)})
            source.state = SourceState.SHOWN if shows else SourceState.HIDDEN
            logger.info("course %s is %s, for batch %s", source.source_id, source.state, source.batch_id)
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError as error:
        source.state = SourceState.STUCK if shows else SourceState.KEPT
        source.reason = f"Moodle did not {'show' if shows else 'hide'} this course. {error}"


def is_hiding(batch: Batch) -> bool:
    """Return whether sources of this batch still wait to be hidden or shown again."""
    return HiddenSource.objects.filter(batch=batch, state__in=UNDER_WAY).exists()


def sources_note(batch: Batch) -> str:
    """Return sentences that say how many sources were or will be hidden or shown again; "" if there are none."""
    counts = Counter(HiddenSource.objects.filter(batch=batch).values_list("state", flat=True))
    return " ".join(_sentences(batch, counts))


def _sentences(batch: Batch, counts: Counter[str]) -> Iterator[str]:
    for state, one, many in (
        (SourceState.WAITING, "1 source will be hidden.", "{:,} sources will be hidden."),
        (SourceState.HIDDEN, "1 source was hidden.", "{:,} sources were hidden."),
        (SourceState.BEFORE, "1 source was already hidden.", "{:,} sources were already hidden."),
        (SourceState.KEPT, "1 source could not be hidden.", "{:,} sources could not be hidden."),
        (SourceState.SHOWING, "1 source will be shown again.", "{:,} sources will be shown again."),
        (SourceState.SHOWN, "1 source was shown again.", "{:,} sources were shown again."),
        (SourceState.STUCK, "1 source could not be shown again.", "{:,} sources could not be shown again."),
        (SourceState.GONE, "1 source is no longer in Moodle.", "{:,} sources are no longer in Moodle."),
    ):
        if count := counts[state]:
            yield one if count == 1 else many.format(count)
            if state in (SourceState.KEPT, SourceState.STUCK):
                failed = HiddenSource.objects.filter(batch=batch, state=state)[:REASONS_MOST]
                yield from (f"Course {source.source_id}: {source.reason}" for source in failed)

"""Makes one copy through all parts of dupdash, compares it with its source, and deletes it."""

import time
import uuid
from collections.abc import Iterator
from time import sleep

from dupdash.duplication import jobs
from dupdash.duplication.engine.deletion import NotDeleted, delete_copy
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.request import Draft, InvalidRequest, prepare
from dupdash.duplication.states import ENDED_OR_UNRESOLVED, State
from dupdash.moodle import options
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.operations.host_findings import Finding, Level

SUBJECT = "Trial copy"
POLL_INTERVAL = 0.5


def try_copy(source: str, category_id: int, client: MoodleClient, timeout: float) -> Iterator[Finding]:
    """Copy ``source`` (id or short name) hidden and without people, compare the copy, and delete it.

    Yields a finding for each step. Waits at most ``timeout`` seconds for the copy. Raises MoodleError if the source
    cannot be looked up.
    """
    mark = uuid.uuid4().hex[:8]
    draft = Draft(
        source=source,
        fullname=f"dupdash trial copy {mark}",
        shortname=f"dupdash-trial-{mark}",
        category_id=category_id,
        visible=False,
        options=options.defaults(),
    )
    try:
        request = prepare(draft, Origin.COMMAND, client)
        job = jobs.submit(request, actor=None, client=client, via="doctor")
    except InvalidRequest as refused:
        for problem in refused.problems:
            yield Finding(Level.PROBLEM, SUBJECT, f"{problem.field}: {problem.text(in_full=True)}")
        return
    if not _wait(job, timeout):
        yield Finding(
            Level.PROBLEM,
            SUBJECT,
            f"Job {job.pk} is still {job.get_state_display().lower()} after {timeout:g} s.",
            f"See its page, /jobs/{job.pk}/. Delete the course “{draft.shortname}” in Moodle when it is finished.",
        )
        return
    yield _result(job)
    if job.state == State.SUCCEEDED:
        yield _removal(job, client)


def _wait(job: DuplicationJob, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while job.state not in ENDED_OR_UNRESOLVED:
        if time.monotonic() > deadline:
            return False
        sleep(POLL_INTERVAL)
        job.refresh_from_db()
    return True


def _result(job: DuplicationJob) -> Finding:
    last = job.events.last()
    reason = last.reason if last else job.get_state_display()
    if job.state == State.SUCCEEDED:
        seconds = job.elapsed()
        return Finding(Level.OK, SUBJECT, f"{reason} It took {seconds.total_seconds() if seconds else 0:.1f} s.")
    return Finding(Level.PROBLEM, SUBJECT, reason, f"The page of the job has the details: /jobs/{job.pk}/")


def _removal(job: DuplicationJob, client: MoodleClient) -> Finding:
    try:
        return Finding(Level.OK, SUBJECT, delete_copy(job, client, complete=True))
    except (NotDeleted, MoodleError) as error:
        return Finding(
            Level.WARNING,
            SUBJECT,
            f"The trial copy was not deleted: {error}",
            f"Delete the course “{job.shortname}” (id {job.course_id}) in Moodle.",
        )

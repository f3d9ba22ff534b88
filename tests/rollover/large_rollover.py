"""Runs a large rollover with real processes: workers are killed in the middle, and every row must end correctly.

    .venv/bin/python -m tests.rollover.large_rollover [--rows 500] [--faults 0.05] [--seed 1] [--concurrency 6]

Web, workers and sandbox are processes. The given share of the calls that make a copy meets a fault: a lost answer, a
killed PHP process, or an error in the restore. In the middle the batch is paused and resumed, and then all worker
processes are killed and started again. At the end each row is compared with the courses in the sandbox: a succeeded
copy exists once and is complete, a failed or unresolved one has no complete copy, and there are no other courses. The
test suite does not run this.

With MOODLE_URL, MOODLE_TOKEN, MOODLE_SOURCE_IDS and MOODLE_CATEGORY the copies are made on that site, without faults.
At the end the batch is undone, so that every copy is deleted.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.site_choice import Site, real_site
from tests.chaos.__main__ import set_up_django
from tests.chaos.environment import SCALED, Installation

FAULTS = (
    "gateway_timeout",
    "reset_during",
    "reset_after",
    "empty",
    "killed_in_backup",
    "killed_in_restore",
    "exception_in_restore",
)
LONGEST = 1800.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--faults", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=6)
    arguments = parser.parse_args()
    # On SIGTERM, stop the started processes before exiting.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    site = real_site()
    concurrency = {"MOODLE_CONCURRENCY": str(arguments.concurrency)}
    with tempfile.TemporaryDirectory() as folder:
        # With a real site the intervals are those of an installation.
        periods = {**site.settings, **concurrency} if site else {**SCALED, **concurrency}
        installation = Installation(Path(folder), seed=arguments.seed, periods=periods)
        try:
            installation.start()
            wrong = (
                _run_on_real_site(installation, site, arguments.rows)
                if site
                else _run(installation, arguments.rows, arguments.faults)
            )
        finally:
            installation.stop()
    print("\n".join(wrong) or "every row ended true")
    raise SystemExit(1 if wrong else 0)


def _run(installation: Installation, rows: int, share: float) -> list[str]:
    set_up_django(installation)
    from dupdash.duplication import batch_actions
    from dupdash.duplication.models import Batch
    from dupdash.duplication.states import State
    from dupdash.rollover.batches.progress import totals_of

    batch_id = _start(installation, rows, [(source.id, source.category) for source in installation.sources()])
    began = time.monotonic()
    installation.control(
        fault=[
            {"name": name, "probability": share / len(FAULTS), "function": "core_course_duplicate_course"}
            for name in FAULTS
        ]
    )

    def ended() -> int:
        return totals_of([batch])[batch.pk].ended

    batch = Batch.objects.get(pk=batch_id)
    _until(lambda: ended() >= rows // 4, "a quarter of the copies")
    batch_actions.pause(batch, actor=None)
    _until(lambda: not batch.jobs.filter(state__in=(State.RUNNING, State.CHECKING)).exists(), "the copies under way")
    before = ended()
    time.sleep(3)
    paused = [] if ended() == before else ["copies started while the batch was paused"]
    batch_actions.resume(batch, actor=None)
    _until(lambda: ended() >= rows // 2, "half of the copies")
    installation.worker.kill()
    installation.web.kill()
    installation.worker.start()
    installation.web.start()
    _until(
        lambda: totals_of([batch])[batch.pk].unfinished == batch.jobs.filter(state=State.UNRESOLVED).count(), "the end"
    )
    took = time.monotonic() - began
    states = Counter(batch.jobs.values_list("state", flat=True))
    struck = installation.control()["struck"]
    print(f"{rows} rows in {took:.0f} s: {dict(states)}; faults: {struck}")
    installation.control(clear=True)
    return [*paused, *_compare(installation, batch)]


def _run_on_real_site(installation: Installation, site: Site, rows: int) -> list[str]:
    """Make the copies on a real site, and undo the batch."""
    set_up_django(installation)
    from django.contrib.auth import get_user_model

    from dupdash.duplication.models import Batch
    from dupdash.rollover.batches import undo_batch
    from dupdash.rollover.batches.progress import totals_of
    from dupdash.rollover.models import Undo

    batch = Batch.objects.get(pk=_start(installation, rows, list(site.sources)))
    began = time.monotonic()
    _until(lambda: not totals_of([batch])[batch.pk].unfinished, "the end")
    print(
        f"{rows} rows in {time.monotonic() - began:.0f} s: {dict(Counter(batch.jobs.values_list('state', flat=True)))}"
    )
    wrong = [
        f"row {job.batch_row} is {job.state}: {job.failure_message}" for job in batch.jobs.exclude(state="succeeded")
    ]
    wrong += [f"row {job.batch_row} differs from its source" for job in batch.jobs.all() if not _is_complete(job)]
    actor = get_user_model().objects.get()
    undo = undo_batch.begin(batch, actor=actor)
    for _ in range(2):
        _until(lambda: not Undo.objects.get(pk=undo.pk).is_working, "the undo")
        undo_batch.confirm(Undo.objects.select_related("batch").get(pk=undo.pk), actor=actor)
    undo.refresh_from_db()
    print(f"undone: {dict(Counter(undo.items.values_list('verdict', flat=True)))} {undo.failure}")
    wrong += [f"row {item.job.batch_row} stays: {item.reason}" for item in undo.items.exclude(verdict="deleted")]
    return wrong


def _is_complete(job: Any) -> bool:
    return job.verification is not None and bool(job.verification["complete"])


def _start(installation: Installation, rows: int, sources: list[tuple[int, int]]) -> str:
    """Start a list with ``manage.py rollover``. Returns the id of the batch."""
    import io

    from django.core.management import call_command

    lines = ["source,fullname,shortname,category"]
    for n in range(rows):
        source, category = sources[n % len(sources)]
        lines.append(f"{source},Copy {n} & more,TERM-{n}-{installation.folder.name},{category}")
    file = installation.folder / "term.csv"
    file.write_text("\n".join(lines))
    printed = io.StringIO()
    call_command("rollover", str(file), "--no-wait", stdout=printed)
    return printed.getvalue().split()[-1]


def _until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.2)


def _compare(installation: Installation, batch: Any) -> list[str]:
    """Return the rows whose state does not agree with the courses in the sandbox."""
    from dupdash.duplication.states import State

    made: dict[str, list[dict[str, Any]]] = {}
    for course in installation.courses():
        if course["requested"]:
            made.setdefault(course["requested"], []).append(course)
    wrong = []
    for job in batch.jobs.order_by("batch_row"):
        courses = made.pop(job.shortname, [])
        complete = [course for course in courses if course["complete"] and course["shortname"] == job.shortname]
        if job.state == State.SUCCEEDED and [course["id"] for course in complete] != [job.course_id]:
            wrong.append(f"row {job.batch_row} succeeded as course {job.course_id}, and Moodle has {courses}")
        if job.state != State.SUCCEEDED and complete:
            wrong.append(f"row {job.batch_row} is {job.state}, and Moodle has the complete copy {complete}")
        if job.state not in (State.SUCCEEDED, State.FAILED, State.UNRESOLVED):
            wrong.append(f"row {job.batch_row} is {job.state}")
    return wrong + [f"nobody asked for {name}" for name in made]


if __name__ == "__main__":
    main()

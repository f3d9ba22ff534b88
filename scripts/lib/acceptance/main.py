"""Runs ``scripts/acceptance``: parses the arguments, runs all stages, cleans up, and returns the exit status."""

import fcntl
import json
import shutil
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..cli import UsageError, say, step
from ..installation import Installation, free_port, start_sandbox
from ..processes import Failed, ProcessGroup, Stopped
from ..virtual_environment import RUNTIME, VAR, install
from .cleanup import delete_courses, find_leftovers, problems_of, wait_for_unfinished
from .copies import ENDED, UNRESOLVED
from .jobs import read_jobs
from .moodle import Course, MoodleClient, MoodleFault
from .preflight import check_site
from .report import problems, table
from .run import Run
from .scenarios import Namer, stages
from .settings import Settings, Site, parse

FOLDER = VAR / "acceptance"
INTERRUPTED = 130
# The speed of the embedded Moodle: a course with 64 activities takes 1.2 s alone, or 2 s with four copies at once.
SPEED = 5
SANDBOX_CATEGORY = "BIO-2027S1"
SANDBOX_SOURCES = 8
SANDBOX_SIZES = range(40, 65)


def main(arguments: Sequence[str]) -> int:
    settings = parse(arguments)
    install(RUNTIME)
    with _only_one():
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        installation = Installation(FOLDER, free_port())
        try:
            # The embedded Moodle ends after dupdash, because the copies are deleted after dupdash has ended.
            with ProcessGroup(installation.environment() | {"SANDBOX": "true"}) as servers:
                return _accept(settings, settings.site or _sandbox(servers), installation)
        except Stopped:
            return INTERRUPTED
        except Failed as failed:
            raise UsageError(str(failed)) from None


@contextmanager
def _only_one() -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (VAR / "acceptance.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError("another scripts/acceptance runs in this folder") from None
        yield


def _sandbox(servers: ProcessGroup) -> Site:
    """Start the embedded Moodle, and choose sources there."""
    url, token = start_sandbox(servers, FOLDER / "moodle.log", free_port(), SPEED)
    with urllib.request.urlopen(f"{url}/sandbox/control/courses", timeout=20) as answer:
        courses = json.load(answer)["courses"]
    fitting = [course["id"] for course in courses if course["visible"] and course["modules"] in SANDBOX_SIZES]
    wanted = [{"key": "idnumber", "value": SANDBOX_CATEGORY}]
    (category,) = MoodleClient(url, token).call("core_course_get_categories", criteria=wanted, addsubcategories=0)
    return Site(url, token, token, tuple(fitting[:SANDBOX_SOURCES]), fitting[0], category["id"])


def _accept(settings: Settings, site: Site, installation: Installation) -> int:
    began = time.monotonic()
    sources, not_seen = check_site(site)
    client = MoodleClient(site.url, site.own_token)
    before = frozenset(course.id for course in client.courses_in(site.category))
    namer = Namer()
    run = Run(settings, site, installation)
    run.problems += not_seen
    say(f"dupdash: acceptance on {site.url}, the short names of the copies begin with {namer.prefix}")
    ended_early = ""
    interrupted = False
    try:
        with ProcessGroup(installation.environment()) as children:
            run.execute(stages(settings, site, namer), children)
    except Stopped:
        interrupted = True
        ended_early = "the run was interrupted"
    except (Failed, MoodleFault) as failed:
        ended_early = str(failed)
    finally:
        # The cleanup runs however the run has ended. Signals that end the script are ignored from here on.
        run.problems += _clean_up(client, site, namer.prefix, before, run, sources, installation)
    if ended_early:
        run.problems.append(ended_early)
    _report(run, time.monotonic() - began)
    if interrupted:
        return INTERRUPTED
    return 1 if _count(run) else 0


def _clean_up(
    client: MoodleClient,
    site: Site,
    prefix: str,
    before: frozenset[int],
    run: Run,
    sources: list[Course],
    installation: Installation,
) -> list[str]:
    """Delete the copies of this run. Returns the problems, for example unexpected courses."""
    found = []
    try:
        jobs = read_jobs(installation.database) if run.outcomes else {}
        unfinished = [job for job in jobs.values() if job.sent and (job.state not in ENDED or job.state == UNRESOLVED)]
        if unfinished:
            step("Cleanup", f"waiting for copies that Moodle may still be making: {len(unfinished)}")
        if missing := wait_for_unfinished(client, unfinished):
            found.append(
                f"copies that may still appear in category {site.category}: {missing}. Delete what begins with {prefix}"
            )
        leftovers = find_leftovers(client, site.category, prefix, before, jobs.values(), sources)
        found += problems_of(leftovers, [outcome.request for outcome in run.outcomes], jobs)
        step("Cleanup", f"deleting courses: {len(leftovers.own)}")
        for course in delete_courses(client, leftovers.own):
            found.append(f"course {course.id} ({course.shortname}) could not be deleted")
    except MoodleFault as fault:
        found.append(f"the copies could not be deleted: {fault}. Delete what begins with {prefix}")
    return found


def _count(run: Run) -> int:
    return len(run.problems) + sum(len(outcome.problems) for outcome in run.outcomes)


def _report(run: Run, seconds: float) -> None:
    say(f"\n{table(run.outcomes)}\n")
    for note in run.notes:
        say(f"Note: {note}.")
    for problem in (*problems(run.outcomes), *(f"whole run: {problem}" for problem in run.problems)):
        say(f"PROBLEM: {problem}")
    say(f"Problems: {_count(run)}. Duration: {seconds:.0f} s.")

"""Runs the stages of the acceptance test: requests copies, waits for them and checks them."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from ..cli import step
from ..installation import MANAGE, START_LONGEST, Installation, migrate, start_worker_and_web
from ..processes import POLL_INTERVAL, ManagedProcess, ProcessGroup, require_running
from .comparison import Comparison
from .copies import ENDED, CopyRequest, Entrance, Job, Outcome, Refused, RefusedIf
from .entrances import PASSWORD, USER, Dupdash
from .jobs import count_unfinished, read_jobs
from .moodle import START_COPY, MoodleClient, MoodleFault
from .proxy import ImpatientProxy
from .scenarios import Stage
from .settings import Settings, Site

# This many commands of a group wait for the end of their copies. The others end at once.
WAITING_COMMANDS = 3
# The number of copies that are compared at the same time.
COMPARED_AT_ONCE = 4


class Run:
    def __init__(self, settings: Settings, site: Site, installation: Installation) -> None:
        self._site = site
        self._settings = settings
        self._installation = installation
        self._client = MoodleClient(site.url, site.own_token)
        self._comparison = Comparison(self._client, site.category, site.time_zone)
        self._deadline = time.monotonic() + settings.limit
        # The outcome of every request, and the problems that concern no single request.
        self.outcomes: list[Outcome] = []
        self.problems: list[str] = []
        self.notes = [self._comparison.note] if self._comparison.note else []

    def execute(self, stages: Sequence[Stage], children: ProcessGroup) -> None:
        """Run all stages. Raises Failed if a process of dupdash ends or does not answer."""
        token = self._prepare(children)
        for stage in stages:
            if not self._time_is_over:
                self._run_stage(stage, children, token)
        if skipped := self._not_asked_for(stages):
            self.problems.append(f"copies that were not requested, because the time of the run was over: {skipped}")

    def _not_asked_for(self, stages: Sequence[Stage]) -> int:
        return sum(len(batch) for stage in stages for batch in stage.batches) - len(self.outcomes)

    @property
    def _time_is_over(self) -> bool:
        return time.monotonic() > self._deadline

    def _prepare(self, children: ProcessGroup) -> str:
        """Create the database and its user. Returns the user's API token."""
        migrate(children, self._installation)
        children.environment |= {
            "MOODLE_URL": self._site.url,
            "MOODLE_TOKEN": self._site.token,
            "MOODLE_TIME_ZONE": self._site.time_zone.key,
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }
        log = self._installation.folder / "user.log"
        user = ["createsuperuser", "--no-input", "--username", USER, "--email", "acceptance@example.edu"]
        children.run("createsuperuser", [*MANAGE, *user], START_LONGEST, log)
        children.run("api_token", [*MANAGE, "api_token", "create", USER, "--label", "acceptance"], START_LONGEST, log)
        return log.read_text().split()[-1]

    def _run_stage(self, stage: Stage, children: ProcessGroup, token: str) -> None:
        with ExitStack() as stack:
            proxy = None
            if stage.through_proxy:
                proxy = stack.enter_context(ImpatientProxy(self._site.url, self._settings.patience))
            children.environment |= {
                "MOODLE_URL": proxy.url if proxy else self._site.url,
                "MOODLE_CONCURRENCY": str(stage.concurrency),
            }
            processes = start_worker_and_web(children, self._installation)
            dupdash = Dupdash(children, self._installation, token, self._site)
            for batch in stage.batches:
                if not self._time_is_over:
                    self._run_batch(batch, dupdash, processes, proxy)
            children.stop(*processes)
            if proxy and not proxy.lost:
                self._note_that_nothing_was_lost()

    def _note_that_nothing_was_lost(self) -> None:
        if START_COPY in self._client.functions():
            self.notes.append("No answer was lost: this Moodle answers before it copies")
            return
        self.problems.append(
            f"the proxy lost no answer: no copy took longer than {self._settings.patience:g} s. "
            "Choose larger sources or a smaller --proxy-seconds"
        )

    def _run_batch(
        self,
        batch: tuple[CopyRequest, ...],
        dupdash: Dupdash,
        processes: Sequence[ManagedProcess],
        proxy: ImpatientProxy | None,
    ) -> None:
        began = time.monotonic()
        outcomes = list(self._ask_for_all(batch, dupdash))
        ended = self._wait(processes, dupdash)
        seconds = time.monotonic() - began
        self._judge_all(outcomes, dupdash, proxy, ended)
        scenarios = ", ".join(dict.fromkeys(request.scenario for request in batch))
        succeeded = sum(outcome.succeeded for outcome in outcomes)
        step(f"{succeeded}/{len(batch)}", f"{scenarios} ({seconds:.0f} s)")

    def _ask_for_all(self, batch: tuple[CopyRequest, ...], dupdash: Dupdash) -> Iterator[Outcome]:
        waiting = 0
        for request in batch:
            if self._time_is_over:
                return
            outcome = Outcome(request, refusal_expected=self._must_be_refused(request))
            self.outcomes.append(outcome)
            wait = request.entrance == Entrance.COMMAND and waiting < WAITING_COMMANDS and not outcome.refusal_expected
            waiting += wait
            try:
                dupdash.ask(request, wait=wait)
            except Refused as refused:
                outcome.refusal = str(refused)
            except OSError as error:
                outcome.problems.append(f"could not be requested: {error}")
            yield outcome

    def _must_be_refused(self, request: CopyRequest) -> bool:
        if request.refused_if == RefusedIf.NAME_FOUND:
            return bool(self._client.courses_named(request.stored_shortname))
        return request.refused_if == RefusedIf.STOCK_SITE and START_COPY not in self._client.functions()

    def _wait(self, processes: Sequence[ManagedProcess], dupdash: Dupdash) -> bool:
        """Wait until every command and every job has ended. Returns False if the time limit is reached first.

        The commands are awaited, too, because a command that was just started has no job yet.
        """
        while dupdash.commands_run or count_unfinished(self._installation.database):
            if self._time_is_over:
                return False
            require_running(processes)
            time.sleep(POLL_INTERVAL)
        return True

    # What came of it

    def _judge_all(self, outcomes: list[Outcome], dupdash: Dupdash, proxy: ImpatientProxy | None, ended: bool) -> None:
        jobs = read_jobs(self._installation.database)
        for outcome in outcomes:
            outcome.job = jobs.get(outcome.request.stored_shortname)
            outcome.problems += _state_problems(outcome, ended)
            outcome.problems += self._answer_problems(outcome, dupdash)
            if proxy:
                outcome.problems += _proxy_problems(outcome, proxy)
        succeeded = [outcome for outcome in outcomes if outcome.succeeded]
        pool = ThreadPoolExecutor(COMPARED_AT_ONCE)
        try:
            list(pool.map(self._compare, succeeded))
        finally:
            pool.shutdown(cancel_futures=True)

    def _compare(self, outcome: Outcome) -> None:
        if outcome.job is None or outcome.job.course_id is None:
            outcome.problems.append("succeeded, and no course is named")
            return
        try:
            outcome.problems += self._comparison.problems(outcome.request, outcome.job.course_id)
        except MoodleFault as fault:
            outcome.problems.append(f"could not be compared with its source: {fault}")

    def _answer_problems(self, outcome: Outcome, dupdash: Dupdash) -> Iterator[str]:
        """Yield how command, web service or page contradict the database about a copy that succeeded."""
        job = outcome.job
        command = dupdash.waiting_commands.get(outcome.request.stored_shortname)
        if command and command.status is None:
            yield "the command was still running when the time of the run was over"
        if job is None or not outcome.succeeded:
            return
        link = f"/course/view.php?id={job.course_id}"
        if command and command.status is not None and (command.status or link not in command.output()):
            yield f"the command ended with status {command.status} and said: {command.output().strip()[-200:]}"
        result = dupdash.result(job.id)
        if (result.get("state"), result.get("courseid")) != (job.state, job.course_id):
            yield f"the web service answers {result}"
        for warning in result.get("warnings", []):
            yield f"dupdash warns: {warning['message']}"
        if outcome.request.entrance == Entrance.FORM and link not in dupdash.job_page(job.id).text:
            yield "the job page has no link to the course"


def _state_problems(outcome: Outcome, ended: bool) -> Iterator[str]:
    job = outcome.job
    if outcome.refusal_expected != bool(outcome.refusal):
        if outcome.refusal:
            yield f"was refused: {outcome.refusal}"
        else:
            yield f"was not refused, although {outcome.request.refused_if}"
    if job is None:
        if not (outcome.refusal or outcome.problems):
            yield "has no job"
    elif outcome.refusal:
        yield "was refused, and has a job"
    elif job.state not in ENDED and not ended:
        yield f"was still {job.state} when the time of the run was over"
    elif not outcome.succeeded:
        yield f"{job.state}: {job.failure} ({_last_reason(job)})"


def _last_reason(job: Job) -> str:
    return job.events[-1].reason if job.events else "no event"


def _proxy_problems(outcome: Outcome, proxy: ImpatientProxy) -> Iterator[str]:
    shortname = outcome.request.stored_shortname
    if proxy.sent[shortname] > 1:
        yield f"was sent to Moodle {proxy.sent[shortname]} times"
    if shortname in proxy.lost and outcome.succeeded and outcome.job and not outcome.job.was_checking:
        yield "succeeded without being checked, although its answer was lost"

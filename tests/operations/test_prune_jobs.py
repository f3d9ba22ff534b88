"""Tests ``manage.py prune_jobs``: old jobs are archived and deleted, and jobs that are still needed are kept."""

import gzip
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from dupdash.duplication.models import DuplicationJob, JobEvent, Proof
from dupdash.duplication.states import State
from tests.web.support import a_job


def finished(age_days: int, state: State = State.SUCCEEDED, **columns: Any) -> DuplicationJob:
    job = a_job(state)
    DuplicationJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=age_days), **columns)
    return job


def prune(*arguments: str) -> str:
    output = StringIO()
    call_command("prune_jobs", "--older-than", "1y", *arguments, stdout=output)
    return output.getvalue()


def remaining() -> set[str]:
    return set(DuplicationJob.objects.values_list("pk", flat=True))


def test_old_finished_jobs_are_deleted(db: None) -> None:
    old, young = finished(366), finished(364)
    running = a_job(State.RUNNING)
    assert prune().endswith("Deleted jobs: 1.\n")
    assert remaining() == {young.pk, running.pk}
    assert not JobEvent.objects.filter(job_id=old.pk).exists()


def test_dry_run_deletes_nothing(db: None) -> None:
    job = finished(366)
    assert prune("--dry-run").endswith(" and can be deleted: 1.\n")
    assert remaining() == {job.pk}


def test_job_with_a_younger_retry_stays(db: None) -> None:
    first = finished(500, State.FAILED)
    second = finished(100, retry_of=first)
    prune()
    assert remaining() == {first.pk, second.pk}


def test_chain_of_old_retries_is_deleted(db: None) -> None:
    first = finished(500, State.FAILED)
    finished(400, retry_of=first)
    prune()
    assert remaining() == set()


@pytest.mark.parametrize(
    "course", [{"course_id": 7, "proof": Proof.ANSWERED}, {"likely_course_id": 7}], ids=["own", "likely"]
)
def test_failed_job_stays_while_its_course_is_in_moodle(db: None, course: dict[str, Any]) -> None:
    kept = finished(500, State.FAILED, **course)
    finished(500, State.FAILED, course_deleted_at=timezone.now(), **course)
    prune()
    assert remaining() == {kept.pk}


def test_archive_has_the_jobs_and_their_events(db: None, tmp_path: Path) -> None:
    job = finished(500, fullname="Zoé’s course")
    JobEvent.objects.create(job=job, kind="noted", to_state=State.SUCCEEDED, reason="A note.")
    archive = tmp_path / "jobs.jsonl.gz"
    prune("--archive", str(archive))
    (line,) = gzip.decompress(archive.read_bytes()).decode().splitlines()
    row = json.loads(line)
    assert (row["id"], row["fullname"]) == (job.pk, "Zoé’s course")
    assert row["events"][-1]["reason"] == "A note."
    assert remaining() == set()


def test_existing_archive_is_not_overwritten(db: None, tmp_path: Path) -> None:
    job = finished(500)
    archive = tmp_path / "jobs.jsonl.gz"
    archive.write_text("an older archive")
    with pytest.raises(CommandError, match="exists already"):
        prune("--archive", str(archive))
    assert archive.read_text() == "an older archive"
    assert remaining() == {job.pk}


def test_nothing_is_deleted_if_the_archive_cannot_be_written(db: None, tmp_path: Path) -> None:
    job = finished(500)
    with pytest.raises(CommandError, match="cannot be written"):
        prune("--archive", str(tmp_path / "missing" / "jobs.jsonl.gz"))
    assert remaining() == {job.pk}


@pytest.mark.parametrize("text", ["3", "y", "0d", "-1y", "3 years", "1.5y"])
def test_unclear_age_is_refused(db: None, text: str) -> None:
    with pytest.raises(CommandError, match="is not an age"):
        call_command("prune_jobs", f"--older-than={text}")

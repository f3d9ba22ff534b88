"""Tests that the search finds the current data of jobs, with the search index and without it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.db import connection

from dupdash.duplication import search_index
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.planner_statistics import update_statistics
from dupdash.duplication.states import State
from dupdash.duplication.transitions import record_event
from tests.duplication.support import a_job

pytestmark = pytest.mark.django_db


def found(*words: str) -> set[str]:
    jobs = DuplicationJob.objects.filter(search_text__contains_all=words)
    scanned = DuplicationJob.objects.filter(search_text__contains_all_scanned=words)
    names = set(jobs.values_list("shortname", flat=True))
    assert names == set(scanned.values_list("shortname", flat=True))
    return names


@pytest.fixture
def without_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with connection.cursor() as cursor:
        search_index.drop_search_index(cursor, connection.vendor)
    monkeypatch.setattr(connection, "_has_job_search", False, raising=False)
    yield
    search_index.create_search_index(connection)


def test_search_uses_the_index() -> None:
    jobs = DuplicationJob.objects.filter(search_text__contains_all=["copy", "called"])
    sql = str(jobs.query)
    assert search_index.has_search_index(connection)
    assert "job_search MATCH" in sql if connection.vendor == "sqlite" else "LIKE" in sql


def test_every_word_must_occur_somewhere_in_the_job() -> None:
    a_job(shortname="ONE", fullname="Ökologie der Alpen")
    a_job(shortname="TWO", fullname="Ökologie der See")
    assert found("okologie") == {"ONE", "TWO"}
    assert found("okologie", "alpen") == {"ONE"}
    assert found("alpen", "see") == set()


@pytest.mark.parametrize("word", ['"', '" or "one', "100%", "a_b", "back\\slash", "one*", "(one)", "-one"])
def test_special_characters_are_searched_as_text(word: str) -> None:
    a_job(shortname="ONE")
    assert found(word) == set()
    a_job(shortname="TWO", fullname=f"It holds {word} somewhere")
    assert found(word) == {"TWO"}


def test_two_characters_are_found_at_the_start_of_words() -> None:
    a_job(shortname="ONE", fullname="Biology")
    a_job(shortname="TWO", fullname="Microbiology")
    assert found("bi") == {"ONE"}
    assert found("bio") == {"ONE", "TWO"}


def test_index_follows_changes_and_deletions() -> None:
    job = a_job(shortname="BEFORE", fullname="A copy")
    job.shortname = "AFTER"
    job.save()
    assert (found("before"), found("after")) == (set(), {"AFTER"})
    record_event(job, kind="noted", reason="It was noted.", failure_message="Die Tabelle fehlt")
    assert found("tabelle", "after") == {"AFTER"}
    job.events.all().delete()
    job.delete()
    assert found("after") == set()


def test_jobs_are_found_by_the_present_name_of_their_requester(faculty: User, colleague: User) -> None:
    a_job(shortname="MINE", requester=faculty)
    a_job(State.SUCCEEDED, "ALSO", requester=faculty)
    a_job(shortname="THEIRS", requester=colleague)
    faculty.first_name, faculty.last_name = "Zoë", "Müller-Lüdenscheidt"
    faculty.save()
    assert found("zoe", "mullerludenscheidt") == set()
    assert found("zoe", "muller-ludenscheidt") == {"MINE", "ALSO"}
    assert found("called", "mine") == {"MINE"}
    assert set(DuplicationJob.objects.order_by("requester_key").values_list("shortname", flat=True)[:1]) == {"THEIRS"}


def test_sign_in_does_not_update_the_jobs(
    faculty: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    a_job(requester=faculty)
    with django_assert_num_queries(1):
        faculty.save(update_fields=["last_login"])


def test_search_works_without_the_index_and_a_check_warns(without_index: None) -> None:
    a_job(shortname="ONE", fullname="Ökologie der Alpen")
    assert found("okologie", "alpen") == {"ONE"}
    assert "duplication.W001" in {message.id for message in run_checks(databases=["default"])}


@pytest.mark.django_db(transaction=True)
def test_index_created_later_contains_existing_jobs(without_index: None) -> None:
    a_job(shortname="ONE", fullname="Ökologie der Alpen")
    search_index.create_search_index(connection)
    assert found("okologie", "alpen") == {"ONE"}
    assert not {message.id for message in run_checks(databases=["default"])} & {"duplication.W001"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's statistics")
def test_statistics_after_migrate_cover_the_index_of_durations() -> None:
    a_job()
    update_statistics(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_stats WHERE tablename = 'job_by_duration'")
        assert cursor.fetchone()[0] > 0

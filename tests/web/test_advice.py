"""Tests the advice on the page of a failed job, which depends on the cause, the role, and what was left in Moodle."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.advice import Reader, what_to_do
from dupdash.duplication.explanations import EXPLANATIONS
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.states import State
from tests.duplication.support import evidence_json
from tests.web.support import a_job, text

ADMINISTRATOR = Reader(is_administrator=True, can_retry=True, can_edit=True, can_delete=True)
ADMINISTRATOR_WITHOUT_DELETION = Reader(is_administrator=True, can_retry=True, can_edit=True)
REQUESTER = Reader(can_retry=True, can_edit=True)
HELP_DESK = Reader()

NOTHING_LEFT: dict[str, Any] = {}
PARTIAL: dict[str, Any] = {"course_id": 9, "proof": "seen"}
CANDIDATE: dict[str, Any] = {"likely_course_id": 9}


@pytest.mark.parametrize(
    ("code", "left", "reader", "advice"),
    [
        ("unreachable", NOTHING_LEFT, ADMINISTRATOR, "Select “Try again” later. If it fails again, ask the operator"),
        (
            "unreachable",
            NOTHING_LEFT,
            REQUESTER,
            "“Try again” later. If it fails again, ask the operator of dupdash to",
        ),
        ("unreachable", NOTHING_LEFT, HELP_DESK, "The requester can select “Try again” later. If it fails again, ask"),
        ("invalidtoken", NOTHING_LEFT, ADMINISTRATOR, "Ask the operator of dupdash to create a new token in Moodle"),
        ("invalidtoken", NOTHING_LEFT, REQUESTER, "Ask the operator of dupdash to create a new token"),
        ("invalidtoken", NOTHING_LEFT, HELP_DESK, "Then the requester can select “Try again”."),
        ("shortnametaken", NOTHING_LEFT, ADMINISTRATOR, "Select “Edit and try again” and choose another short name."),
        ("shortnametaken", NOTHING_LEFT, REQUESTER, "Select “Edit and try again” and choose another short name."),
        ("shortnametaken", NOTHING_LEFT, HELP_DESK, "The requester can select “Edit and try again” and choose another"),
        ("partial_course", PARTIAL, ADMINISTRATOR, "Select “Delete the partial course”. Then select “Try again”."),
        ("partial_course", PARTIAL, ADMINISTRATOR_WITHOUT_DELETION, "Delete the partial course in Moodle. Then select"),
        ("partial_course", PARTIAL, REQUESTER, "Ask a course administrator to delete the partial course in Moodle."),
        ("likely_partial_course", CANDIDATE, ADMINISTRATOR, "may have left, and select “Delete a possible partial"),
        ("likely_partial_course", CANDIDATE, HELP_DESK, "Ask a course administrator to check whether this job left"),
        ("no such code", NOTHING_LEFT, REQUESTER, "Select “Try again”. If it fails again, ask a course administrator"),
        ("no such code", PARTIAL, ADMINISTRATOR, "Select “Delete the partial course”. Then select “Try again”. If it"),
    ],
)
def test_advice_depends_on_error_permissions_and_leftover_course(
    code: str, left: dict[str, Any], reader: Reader, advice: str
) -> None:
    job = DuplicationJob(state=State.FAILED, failure_code=code, **left)
    assert advice in what_to_do(job, reader)


@pytest.mark.parametrize("code", [*EXPLANATIONS, "no such code"])
@pytest.mark.parametrize("left", [NOTHING_LEFT, PARTIAL, CANDIDATE], ids=["nothing", "partial", "candidate"])
def test_advice_names_only_buttons_that_the_reader_has(code: str, left: dict[str, Any]) -> None:
    job = DuplicationJob(state=State.FAILED, failure_code=code, **left)
    for reader in (ADMINISTRATOR, ADMINISTRATOR_WITHOUT_DELETION, REQUESTER, HELP_DESK):
        advice = what_to_do(job, reader)
        offered = advice.replace("the requester can select", "").replace("The requester can select", "")
        assert ("elect “Try again”" in offered or "elect “Edit and try again”" in offered) == reader.can_retry
        if not reader.can_delete:
            assert "“Delete " not in advice
        # Nobody who only uses the pages can do these.
        for sentence in advice.split(". "):
            if any(words in sentence for words in ("manage.py", "MOODLE_TOKEN", "log of the worker", "network")):
                assert "sk the operator of dupdash to " in sentence
        assert "page of the job" not in advice
        assert advice[0].isupper()
        assert advice.endswith(".")


@pytest.mark.parametrize("left", [NOTHING_LEFT, PARTIAL])
def test_advice_offers_no_retry_once_there_is_a_later_attempt(left: dict[str, Any]) -> None:
    job = DuplicationJob(state=State.FAILED, failure_code="unreachable", is_retried=True, **left)
    for reader in (ADMINISTRATOR, REQUESTER, HELP_DESK):
        assert "again" not in what_to_do(job, reader)


@pytest.mark.django_db
def test_page_shows_each_role_its_own_advice(
    as_administrator: Client, as_faculty: Client, as_help_desk: Client, faculty: User
) -> None:
    MoodleHealth.objects.create(may_delete=True)
    seen = evidence_json({"id": 9, "shortname": "SRC_1", "fullname": "Source copy 1"}, own=9)
    job = a_job(
        State.FAILED,
        requester=faculty,
        sent_at=timezone.now(),
        failure_code="partial_course",
        evidence=seen,
        **PARTIAL,
    )
    url = f"/jobs/{job.pk}/"
    assert "Select “Delete the partial course”. Then select “Try again”." in text(as_administrator.get(url))
    assert "Ask a course administrator to delete the partial course in Moodle." in text(as_faculty.get(url))
    assert "Then the requester can select “Try again”." in text(as_help_desk.get(url))
    assert "Then the requester can select “Try again”." in as_help_desk.get(f"{url}summary.txt").content.decode()

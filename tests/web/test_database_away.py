"""Tests the pages that people see while the database is down."""

import pytest
from django.db import IntegrityError, OperationalError
from django.test import Client


@pytest.fixture
def patient(as_administrator: Client) -> Client:
    """A test client that returns the error page instead of raising the exception."""
    as_administrator.raise_request_exception = False
    return as_administrator


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("dupdash.accounts.access.roles", fail)


def test_page_says_back_in_a_moment_and_tries_again(patient: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, OperationalError("the connection is closed"))
    answer = patient.get("/")
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "dupdash will be back in a moment" in page
    assert '<meta http-equiv="refresh" content="5">' in page


def test_form_is_not_sent_again_by_itself(patient: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, OperationalError("the connection is closed"))
    page = patient.post("/jobs/new/", {"fullname": "A"}).content.decode()
    assert "what you typed is usually still there" in page
    assert "http-equiv" not in page


@pytest.mark.parametrize("error", [OperationalError("no such table: x"), IntegrityError("a fault"), ValueError("x")])
def test_other_faults_are_plain_errors(patient: Client, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    fail_with(monkeypatch, error)
    answer = patient.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()

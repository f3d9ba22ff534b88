"""Tests the audit log: what is recorded, that entries cannot be changed, and the page for administrators."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction
from django.test import Client
from pytest_django import Settings

from dupdash.accounts import audit_triggers, audited_settings, tokens
from dupdash.accounts.access import Role
from dupdash.accounts.audit import one_line, record
from dupdash.accounts.models import AppendOnly, AuditEntry, AuditKind
from dupdash.duplication import approval_actions, course_decisions
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from tests.conftest import PASSWORD, signed_in
from tests.sign_in.provider import Provider
from tests.web.support import a_job

pytestmark = pytest.mark.django_db


def entries(*kinds: AuditKind) -> list[tuple[str, str, str, str]]:
    found = AuditEntry.objects.filter(kind__in=kinds) if kinds else AuditEntry.objects.all()
    return [(entry.kind, entry.actor, entry.subject, entry.detail) for entry in found.order_by("id")]


def post(client: Client, url: str, **data: Any) -> Any:
    return client.post(url, data, REMOTE_ADDR="192.0.2.7")


def test_sign_ins_are_recorded_with_the_network_address(client: Client, faculty: User) -> None:
    post(client, "/sign-in/", username="Faculty", password="wrong")
    post(client, "/sign-in/", username="faculty", password=PASSWORD)
    assert entries(AuditKind.SIGNED_IN, AuditKind.SIGN_IN_FAILED) == [
        ("sign_in_failed", "", "faculty", ""),
        ("signed_in", "faculty", "faculty", ""),
    ]
    assert set(AuditEntry.objects.filter(kind__contains="sign").values_list("address", flat=True)) == {"192.0.2.7"}


def test_lock_out_is_recorded_once(client: Client, faculty: User, settings: Settings) -> None:
    settings.SIGN_IN_ATTEMPTS_ACCOUNT = 2
    for _ in range(5):
        post(client, "/sign-in/", username="faculty", password="wrong")
    assert [kind for kind, *_ in entries(AuditKind.SIGN_IN_FAILED, AuditKind.LOCKED_OUT)] == [
        "sign_in_failed",
        "sign_in_failed",
        "locked_out",
    ]


def test_password_typed_as_a_username_is_not_recorded(client: Client, db: None) -> None:
    post(client, "/sign-in/", username="my secret password", password="and another")
    assert entries() == [("sign_in_failed", "", "an account that does not exist", "")]


def test_single_sign_on_is_recorded_with_its_roles(client: Client, provider: Provider, settings: Settings) -> None:
    settings.OIDC_ROLE_FACULTY = ["staff"]
    provider.sign_in(client)
    assert entries() == [
        ("account_made", "", "faculty@example.edu", ""),
        ("roles_changed", "", "faculty@example.edu", "added: Faculty"),
        ("signed_in", "faculty@example.edu", "faculty@example.edu", "Campus Login"),
    ]
    provider.knows("other", email="x@example.edu", email_verified=False)
    provider.sign_in(Client(), sub="other")
    assert entries(AuditKind.SIGN_IN_FAILED)[0][2] == "Campus Login"


def test_roles_and_flags_are_recorded_with_who_changed_them(administrator: User, faculty: User) -> None:
    User.objects.filter(pk=administrator.pk).update(is_staff=True, is_superuser=True)
    admin = signed_in(administrator)
    page = f"/admin/auth/user/{faculty.pk}/change/"
    answer = admin.post(
        page,
        {
            "username": "faculty",
            "groups": [Group.objects.get(name=Role.HELP_DESK).pk],
            "is_staff": "on",
            "date_joined_0": "2026-01-01",
            "date_joined_1": "12:00",
        },
    )
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    assert sorted(entry for entry in entries(AuditKind.ROLES_CHANGED, AuditKind.ACCOUNT_CHANGED) if entry[1]) == [
        ("account_changed", "ada", "faculty", "access to Django’s admin: yes"),
        ("account_changed", "ada", "faculty", "active: no"),
        ("roles_changed", "ada", "faculty", "added: Help desk"),
        ("roles_changed", "ada", "faculty", "removed: Faculty"),
    ]


def test_role_changes_through_the_group_are_recorded(faculty: User) -> None:
    group = Group.objects.get(name=Role.HELP_DESK)
    group.user_set.add(faculty)
    group.user_set.clear()
    faculty.groups.clear()
    assert [entry[2:] for entry in entries(AuditKind.ROLES_CHANGED)][-3:] == [
        ("faculty", "added: Help desk"),
        ("faculty", "removed: Help desk"),
        ("faculty", "removed: Faculty"),
    ]


def test_tokens_are_recorded_without_their_text(as_faculty: Client, faculty: User) -> None:
    as_faculty.post("/tokens/", {"label": "night import", "days": "30"})
    token, text = tokens.make(faculty, "other")
    as_faculty.post(f"/tokens/{token.pk}/revoke/")
    made, _, revoked = entries(AuditKind.TOKEN_MADE, AuditKind.TOKEN_REVOKED)
    assert made[1:3] == ("faculty", f"night import: token {token.pk - 1} of faculty")
    assert revoked[1:3] == ("faculty", f"other: token {token.pk} of faculty")
    stored = str(list(AuditEntry.objects.values()))
    assert text not in stored
    assert token.sha256 not in stored


def test_decisions_are_recorded_without_typed_reasons(administrator: User, sandbox: Sandbox) -> None:
    approved, refused = (a_job(State.AWAITING_APPROVAL, name) for name in ("A-1", "B-1"))
    signed_in(administrator).post(f"/jobs/{approved.pk}/approve/")
    signed_in(administrator).post(f"/jobs/{refused.pk}/refuse/", {"reason": "a private word"})
    assert entries(AuditKind.APPROVED, AuditKind.REFUSED) == [
        ("approved", "ada", f"A-1: job {approved.pk}", ""),
        ("refused", "ada", f"B-1: job {refused.pk}", ""),
    ]
    assert "private" not in str(list(AuditEntry.objects.values()))


def test_undone_approval_is_recorded(administrator: User, sandbox: Sandbox) -> None:
    job = a_job(State.AWAITING_APPROVAL, "A-1")
    approval_actions.approve(job, actor=administrator, hold=timedelta(minutes=1))
    approval_actions.undo_approval(job, actor=administrator)
    assert [entry[:3] for entry in entries(AuditKind.APPROVED, AuditKind.APPROVAL_UNDONE)] == [
        ("approved", "ada", f"A-1: job {job.pk}"),
        ("approval_undone", "ada", f"A-1: job {job.pk}"),
    ]


def test_deleted_course_is_recorded(administrator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = a_job(State.FAILED, "A-1", course_id=78, proof="seen", failure_code="partial_course")
    removed = "Course 78, “A” (A-1), was deleted in Moodle."
    monkeypatch.setattr(course_decisions, "delete_copy", lambda *_, **__: removed)
    course_decisions.delete_partial(job, actor=administrator, client=None)  # type: ignore[arg-type]
    assert entries(AuditKind.COURSE_DELETED) == [
        ("course_deleted", "ada", f"A-1: job {job.pk}", "Course 78, “A” (A-1), was deleted in Moodle.")
    ]


def test_changed_policy_is_recorded_once(settings: Settings) -> None:
    audited_settings.record_changes()
    audited_settings.record_changes()
    settings.FACULTY_NEEDS_APPROVAL = False
    settings.FACULTY_CATEGORIES = [3, 17]
    audited_settings.record_changes()
    audited_settings.record_changes()
    first, *changed = entries(AuditKind.POLICY_CHANGED)
    assert first[2] == "first start"
    assert [entry[2:] for entry in changed] == [
        ("FACULTY_NEEDS_APPROVAL", "yes → no"),
        ("FACULTY_CATEGORIES", "(none) → 3; 17"),
    ]


def test_policy_names_settings_without_secrets(settings: Settings) -> None:
    assert all(hasattr(settings, name) for name in audited_settings.SETTINGS)
    assert not [
        name for name in audited_settings.SETTINGS if any(word in name for word in ("SECRET", "TOKEN", "PASSWORD="))
    ]


def test_code_cannot_change_an_entry() -> None:
    record(AuditKind.SIGNED_IN, subject="faculty")
    entry = AuditEntry.objects.get()
    everything = AuditEntry.objects.all()
    for change in (entry.save, entry.delete, everything.delete, lambda: everything.update(subject="x")):
        with pytest.raises(AppendOnly):
            change()
    assert AuditEntry.objects.get().subject == "faculty"


@pytest.mark.parametrize("statement", ["UPDATE {} SET subject = 'x'", "DELETE FROM {}"])
def test_database_refuses_to_change_an_entry(statement: str) -> None:
    audit_triggers.guard(connection)
    record(AuditKind.SIGNED_IN, subject="faculty")
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(audit_triggers.TABLE))
    assert AuditEntry.objects.get().subject == "faculty"


def test_text_is_stored_on_one_printable_line() -> None:
    assert one_line("a\0b\ud800c\u202ed\r\ne", 20) == "a b c d e"
    assert one_line("x" * 30, 10) == "xxxxxxxxx…"


# --- The page -----------------------------------------------------------------------------------------------


def fill(number: int) -> None:
    for index in range(number):
        record(AuditKind.TOKEN_MADE if index % 2 else AuditKind.SIGNED_IN, subject=f"person {index}")


def shown(page: Any) -> list[str]:
    return [entry.subject for entry in page.context["entries"]]


def test_page_is_hidden_from_everybody_else(
    as_faculty: Client, as_help_desk: Client, as_outsider: Client, as_administrator: Client
) -> None:
    for url in ("/audit/", "/audit/audit.csv"):
        assert {browser.get(url).status_code for browser in (as_faculty, as_help_desk, as_outsider)} == {404}
        assert as_administrator.get(url).status_code == 200
    assert 'href="/audit/"' in as_administrator.get("/").content.decode()
    assert 'href="/audit/"' not in as_help_desk.get("/").content.decode()


def test_page_is_filtered_by_kind_person_and_time(as_administrator: Client, time_machine: Any) -> None:
    time_machine.move_to(datetime(2027, 3, 1, 12, tzinfo=UTC))
    record(AuditKind.TOKEN_MADE, subject="night import of fay")
    time_machine.move_to(datetime(2027, 3, 5, 12, tzinfo=UTC))
    record(AuditKind.SIGNED_IN, subject="fay")
    # In 2027 the session of the fixture has expired.
    browser = signed_in(User.objects.get(username="ada"))

    def found(query: str) -> list[str]:
        return shown(browser.get(f"/audit/?{query}"))

    assert found("q=FAY") == ["fay", "night import of fay"]
    assert found("q=fay+import") == ["night import of fay"]
    assert found("kind=signed_in&q=fay") == ["fay"]
    assert found("since=2027-03-02&until=2027-03-05&q=fay") == ["fay"]
    assert found("until=2027-03-04&since=2027-01-01") == ["night import of fay"]
    assert found("since=nonsense") == []
    assert "Enter a day as year-month-day" in browser.get("/audit/?since=nonsense").content.decode()
    assert "No entry matches." in browser.get("/audit/?q=nobody").content.decode()


def test_pages_lead_to_older_and_newer_entries(as_administrator: Client) -> None:
    fill(120)
    first = as_administrator.get("/audit/?q=person")
    second = as_administrator.get(first.context["older_url"])
    third = as_administrator.get(second.context["older_url"])
    assert shown(first) + shown(second) + shown(third) == [f"person {index}" for index in reversed(range(120))]
    assert (first.context["newer_url"], third.context["older_url"]) == (None, None)
    assert shown(as_administrator.get(third.context["newer_url"])) == shown(second)
    assert shown(as_administrator.get(second.context["newer_url"])) == shown(first)


@pytest.mark.parametrize("query", ["before=x", "before=-1", f"before={'9' * 30}", "after=٣", "kind=no", "q=%00"])
def test_invalid_query_parameters_are_answered(as_administrator: Client, query: str) -> None:
    assert as_administrator.get(f"/audit/?{query}").status_code == 200


def test_export_has_what_the_page_shows_and_no_formulas(as_administrator: Client) -> None:
    record(AuditKind.SIGNED_IN, subject='=HYPERLINK("http://evil")')
    record(AuditKind.TOKEN_MADE, subject="other")
    answer = as_administrator.get("/audit/audit.csv?kind=signed_in&q=hyperlink")
    body = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    heads, row = csv.reader(io.StringIO(body))
    assert heads[1:] == ["What", "Person", "Subject", "Detail", "Job", "Address"]
    assert (row[1], row[3]) == ("Signed in", '\'=HYPERLINK("http://evil")')
    assert as_administrator.get("/audit/audit.csv?since=x").status_code == 400


def test_names_are_shown_as_text(as_administrator: Client) -> None:
    record(AuditKind.ACCOUNT_MADE, subject="<script>alert(1)</script>")
    page = as_administrator.get("/audit/").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page

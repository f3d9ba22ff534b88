"""Tests which role may open which URL."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from dupdash.accounts import tokens
from dupdash.accounts.access import Action
from dupdash.duplication.models import Batch, DuplicationJob
from dupdash.duplication.states import State
from dupdash.rollover.models import Plan, PlanState, Undo
from dupdash.rollover.pages import urls as rollover_urls
from dupdash.web import urls
from dupdash.web.models import OptionPreset, SavedFilter
from dupdash.web.url_permissions import PERMISSIONS
from tests.conftest import signed_in
from tests.web.support import a_job, without_tokens

PUBLIC = {
    "login",
    "logout",
    "password_reset",
    "password_reset_done",
    "password_reset_confirm",
    "password_reset_complete",
}


def _names(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    found = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            namespace = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            found += _names(pattern.url_patterns, namespace)
        else:
            found.append(f"{prefix}{pattern.name}")
    return found


NAMES = [*_names(urls.urlpatterns), *(f"rollover:{name}" for name in _names(rollover_urls.urlpatterns))]
OF_A_PLAN = [
    name
    for name in NAMES
    if name.startswith("rollover:")
    and name not in ("rollover:list", "rollover:upload", "rollover:from_moodle", "rollover:example")
]
OF_A_JOB = [
    name
    for name in NAMES
    if name in ("jobs:job", "jobs:status", "jobs:summary", "jobs:send_callback_again")
    or (name.startswith("jobs:") and name in PERMISSIONS and PERMISSIONS[name].verb)
]


def test_every_url_has_a_permission() -> None:
    assert sorted(set(NAMES) - PUBLIC) == sorted(PERMISSIONS)


@pytest.mark.parametrize("name", OF_A_JOB)
def test_stranger_is_sent_to_the_sign_in(client: Client, db: None, name: str) -> None:
    url = reverse(name, args=[a_job().pk])
    answer = client.get(url)
    assert answer.status_code == 302
    assert answer["Location"] == f"/sign-in/?next={url}"


@pytest.mark.parametrize("name", OF_A_JOB)
@pytest.mark.parametrize("method", ["get", "post"])
def test_foreign_job_is_not_found(faculty: User, colleague: User, outsider: User, name: str, method: str):
    job = a_job(State.FAILED, requester=faculty)
    for person in (colleague, outsider):
        answer = getattr(signed_in(person), method)(reverse(name, args=[job.pk]))
        missing = getattr(signed_in(person), method)(reverse(name, args=["0" * 32]))
        assert answer.status_code == missing.status_code == 404
        # The page is exactly that of a job that does not exist, so it does not reveal the job.
        assert without_tokens(answer) == without_tokens(missing)
    assert DuplicationJob.objects.get().events.count() == 1


ALL = {"administrator", "faculty", "help_desk"}
SEES_ALL = {"administrator", "help_desk"}
ASKS = {"administrator", "faculty"}
ADMINISTRATOR = {"administrator"}

# Every URL name with the roles that may open it. The job is a failed job of the faculty member.
MAY: dict[str, set[str]] = {
    "overview": ALL,
    "overview_live": ALL,
    "insights": SEES_ALL,
    "insights_csv": SEES_ALL,
    "jobs:list": ALL,
    "jobs:find": ALL,
    "jobs:rows": ALL,
    "jobs:csv": ALL,
    "jobs:bulk_action": ALL,
    "jobs:bulk_result": ALL,
    "jobs:request": ASKS,
    "jobs:source_choices": ASKS,
    "jobs:category_choices": ASKS,
    "jobs:check_short_name": ASKS,
    "jobs:preview": ASKS,
    "jobs:job": ALL,
    "jobs:status": ALL,
    "jobs:summary": ALL,
    "jobs:send_callback_again": ALL,
    "jobs:follow_up": SEES_ALL,
    "jobs:undo_approval": ADMINISTRATOR,
    "jobs:save_filter": ALL,
    "jobs:delete_filter": ALL,
    "jobs:approve": ADMINISTRATOR,
    "jobs:reject": ADMINISTRATOR,
    "jobs:moodle_check": ADMINISTRATOR,
    "jobs:edit": ADMINISTRATOR,
    "jobs:cancel": ASKS,
    "jobs:retry": ASKS,
    "jobs:delete_partial": ADMINISTRATOR,
    "jobs:settle": ADMINISTRATOR,
    "approvals": ADMINISTRATOR,
    "approvals_decide": ADMINISTRATOR,
    "undo_approvals": ADMINISTRATOR,
    "presets": ADMINISTRATOR,
    "system": ADMINISTRATOR,
    "edit_preset": ADMINISTRATOR,
    "delete_preset": ADMINISTRATOR,
    "audit": ADMINISTRATOR,
    "audit_csv": ADMINISTRATOR,
    "rollover:list": SEES_ALL,
    "rollover:upload": ADMINISTRATOR,
    "rollover:from_moodle": ADMINISTRATOR,
    "rollover:example": ADMINISTRATOR,
    "rollover:plan": ADMINISTRATOR,
    "rollover:progress": ADMINISTRATOR,
    "rollover:export": ADMINISTRATOR,
    "rollover:check": ADMINISTRATOR,
    "rollover:start": ADMINISTRATOR,
    "rollover:discard": ADMINISTRATOR,
    "rollover:include": ADMINISTRATOR,
    "rollover:row": ADMINISTRATOR,
    "rollover:batch": ALL,
    "rollover:live": ALL,
    "rollover:results": ALL,
    "rollover:pause": ASKS,
    "rollover:resume": ASKS,
    "rollover:change": ASKS,
    "rollover:cancel": ASKS,
    "rollover:retry": ASKS,
    "rollover:begin_undo": ASKS,
    "rollover:undo": ASKS,
    "rollover:undo_progress": ASKS,
    "rollover:confirm_undo": ASKS,
    # The person's own data.
    "preferences": ALL | {"outsider"},
    "news": ALL | {"outsider"},
    "tokens": ALL,
    "revoke_token": ALL,
    "token_callback": ALL,
    "web_services_documentation": ALL,
}


@pytest.fixture
def people(administrator: User, faculty: User, help_desk: User, outsider: User) -> dict[str, User]:
    return {"administrator": administrator, "faculty": faculty, "help_desk": help_desk, "outsider": outsider}


def _address(name: str, person: User, job: DuplicationJob) -> str:
    if name in OF_A_JOB:
        return reverse(name, args=[job.pk])
    if name in OF_A_PLAN:
        batch, _ = Batch.objects.get_or_create(label="A faculty member’s own", requester=job.requester)
        plan, _ = Plan.objects.get_or_create(name="A list", state=PlanState.CHECKED)
        plan.rows.get_or_create(number=2, defaults={"values": {}})
        undo, _ = Undo.objects.get_or_create(batch=batch, requester=job.requester)
        pattern = next(one for one in rollover_urls.urlpatterns if f"rollover:{one.name}" == name)
        known = {"batch_id": batch.pk, "plan_id": plan.pk, "number": 2, "undo_id": undo.pk}
        return reverse(name, kwargs={key: known[key] for key in pattern.pattern.converters})
    if name.startswith("insights_"):
        return reverse(name, args=["outcomes"])
    if name in ("edit_preset", "delete_preset"):
        return reverse(name, args=[OptionPreset.objects.get_or_create(name="Fresh start", options={})[0].pk])
    if name == "jobs:delete_filter":
        return reverse(name, args=[SavedFilter.objects.get_or_create(owner=person, name="Mine", query="q=x")[0].pk])
    if name in ("revoke_token", "token_callback"):
        return reverse(name, args=[tokens.make(person, "program", days=1)[0].pk])
    return reverse(name)


def test_table_covers_every_url_and_action() -> None:
    assert set(MAY) == set(NAMES) - PUBLIC
    assert {rule.verb for rule in PERMISSIONS.values()} - {None} == set(Action)


@pytest.mark.parametrize("name", sorted(MAY))
def test_each_role_opens_its_pages(people: dict[str, User], faculty: User, name: str) -> None:
    job = a_job(State.FAILED, requester=faculty, course_id=5, proof="seen")
    for role, person in people.items():
        url = _address(name, person, job)
        seen = signed_in(person).get(url).status_code
        assert (seen not in (403, 404)) == (role in MAY[name]), (role, seen)
        if role in MAY[name]:
            continue
        # For people who see only their own jobs, another person's job is a 404. Other refusals are a 403.
        refusal = 404 if (name in OF_A_JOB and role == "outsider") or PERMISSIONS[name].hidden else 403
        assert seen == refusal, (role, seen)
        assert signed_in(person).post(url).status_code == refusal
    assert (
        Client()
        .get(_address(name, faculty, job) if name not in ("revoke_token", "token_callback") else url)
        .status_code
        == 302
    )
    assert job.events.count() == 1


def test_url_missing_in_permissions_raises_improperly_configured(
    as_administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(PERMISSIONS, "presets")
    with pytest.raises(ImproperlyConfigured, match=r"permissions\.py does not say who may open presets"):
        as_administrator.get(reverse("presets"))


@pytest.mark.parametrize("name", ["overview", "overview_live", "jobs:list"])
def test_person_without_a_role_sees_no_lists(as_outsider: Client, as_help_desk: Client, name: str) -> None:
    assert as_outsider.get(reverse(name)).status_code == 403
    assert as_help_desk.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", ["jobs:request", "jobs:source_choices", "jobs:check_short_name"])
def test_request_form_needs_the_right_to_request(
    as_help_desk: Client, as_outsider: Client, as_faculty: Client, name: str
) -> None:
    for refused in (as_help_desk, as_outsider):
        assert refused.get(reverse(name)).status_code == 403
    assert as_faculty.get(reverse(name)).status_code == 200


def test_help_desk_retries_if_the_policy_allows_it(as_help_desk: Client, faculty: User, settings) -> None:
    url = reverse("jobs:retry", args=[a_job(State.FAILED, requester=faculty).pk])
    settings.HELP_DESK_MAY_RETRY = True
    assert as_help_desk.get(url).status_code == 200


def test_expired_session_of_a_part_redirects_the_page(client: Client, db: None) -> None:
    job = a_job()
    answer = client.get(
        reverse("jobs:status", args=[job.pk]),
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver/jobs/{job.pk}/"},
    )
    assert answer["HX-Redirect"] == f"/sign-in/?next=/jobs/{job.pk}/"


@pytest.mark.parametrize("address", ["http://[", "http://[::1", "nonsense", "http://elsewhere.example/jobs/new/"])
def test_untrusted_url_of_a_page_leads_to_the_sign_in(client: Client, db: None, address: str) -> None:
    answer = client.get(reverse("overview_live"), headers={"HX-Request": "true", "HX-Current-URL": address})
    assert answer["HX-Redirect"] == "/sign-in/?next=/"


def test_background_poll_does_not_redirect(client: Client, db: None) -> None:
    answer = client.get(
        reverse("news"),
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{reverse('jobs:request')}"},
    )
    assert answer.status_code == 204
    assert not [name for name in answer.headers if name.startswith("HX-")]
    # If a person opens the URL, it redirects to the sign-in like any other page.
    assert client.get(reverse("news")).status_code == 302

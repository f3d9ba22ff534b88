"""Tests that the input of the request form is kept when the session ends."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from dupdash.duplication.models import DuplicationJob
from dupdash.sandbox.server import Sandbox
from dupdash.web.kept_form import LONGEST, owner_mark
from tests.conftest import PASSWORD
from tests.web.support import BIOLOGY_2027, form, text

pytestmark = pytest.mark.django_db

URL = "/jobs/new/"
NOTE = "For the summer school."


def _typed(person: User, **changed: Any) -> dict[str, Any]:
    return form(note=NOTE, fullname="Typed by hand", owner=owner_mark(person), **changed)


def _sign_in(client: Client, username: str) -> Any:
    return client.post("/sign-in/", {"username": username, "password": PASSWORD, "next": URL})


def test_form_comes_back_after_the_sign_in(administrator: User, sandbox: Sandbox) -> None:
    client = Client()
    answer = client.post(URL, _typed(administrator))
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/?next=/jobs/new/")
    asked = text(client.get(answer["Location"]))
    assert "Your session has ended." in asked
    assert "Your input is kept." in asked
    assert _sign_in(client, "ada")["Location"] == URL
    page = text(client.get(URL))
    assert f"{NOTE}</textarea>" in page
    assert 'value="Typed by hand"' in page
    assert f'name="category" value="{BIOLOGY_2027}" checked' in page
    assert "Your input was kept, and nothing was sent yet." in page
    assert not DuplicationJob.objects.exists()
    # The input is restored only once.
    assert NOTE not in text(client.get(URL))


@pytest.mark.parametrize(
    ("headers", "deleted"), [({}, True), ({"HX-Request": "true"}, False), ({"Sec-Fetch-Dest": "empty"}, False)]
)
def test_late_background_answer_does_not_delete_the_new_session(
    administrator: User, sandbox: Sandbox, headers: dict[str, str], deleted: bool
) -> None:
    client = Client()
    client.force_login(administrator)
    Session.objects.all().delete()
    answer = client.get("/", headers=headers)
    assert (settings.SESSION_COOKIE_NAME in answer.cookies) is deleted


def test_form_is_shown_to_nobody_else(administrator: User, faculty: User, sandbox: Sandbox) -> None:
    client = Client()
    client.post(URL, _typed(administrator))
    _sign_in(client, "faculty")
    assert NOTE not in text(client.get(URL))
    client.force_login(administrator)
    assert NOTE not in text(client.get(URL))


@pytest.mark.parametrize("changed", [{"owner": "forged"}, {"owner": ""}, {"note": "x" * LONGEST}])
def test_form_of_nobody_or_too_long_is_not_kept(administrator: User, sandbox: Sandbox, changed: dict[str, str]) -> None:
    client = Client()
    answer = client.post(URL, _typed(administrator) | changed)
    assert "Your session has ended." not in text(client.get(answer["Location"]))


def test_form_of_a_new_sign_in_in_another_tab_comes_back(administrator: User, sandbox: Sandbox) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    answer = client.post(URL, _typed(administrator), headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer["Location"]) == (303, URL)
    assert f"{NOTE}</textarea>" in text(client.get(URL))
    assert not DuplicationJob.objects.exists()


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}])
def test_form_of_another_site_is_refused(administrator: User, sandbox: Sandbox, headers: dict[str, str]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    answer = client.post(URL, _typed(administrator), headers=headers)
    assert answer.status_code == 403
    assert "This page is out of date" in text(answer)
    assert NOTE not in text(client.get(URL))


def test_other_pages_say_that_they_are_out_of_date(administrator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    answer = client.post("/presets/", {"name": "Mine"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 403
    assert "Go back, reload the page and try again." in text(answer)


@pytest.mark.parametrize(
    "part",
    ["source-choices/?source_query=bio", "category-choices/", "check-short-name/?shortname=A", "preview/?source=7"],
)
def test_parts_of_the_form_do_not_lead_away_from_it(db: None, part: str) -> None:
    answer = Client().get(f"{URL}{part}", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert "HX-Redirect" not in answer
    assert "Your session has ended." in answer["HX-Trigger"]


def test_sign_in_says_why_it_is_asked_for(db: None) -> None:
    assert "Sign in to open the page." in text(Client().get("/sign-in/?next=/history/"))
    assert "Sign in to open" not in text(Client().get("/sign-in/"))

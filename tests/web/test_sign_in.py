"""Tests the sign-in page and the sign-out."""

from django.contrib.auth.models import User
from django.test import Client

from tests.conftest import PASSWORD
from tests.web.support import a_job, text


def test_sign_in_leads_to_the_requested_page(client: Client, faculty: User) -> None:
    url = f"/jobs/{a_job(requester=faculty).pk}/"
    page = client.get(url, follow=True)
    assert f'name="next" value="{url}"' in text(page)
    answer = client.post("/sign-in/", {"username": "faculty", "password": PASSWORD, "next": url})
    assert answer.status_code == 302
    assert answer["Location"] == url


def test_wrong_password_is_reported(client: Client, faculty: User) -> None:
    answer = client.post("/sign-in/", {"username": "faculty", "password": "wrong"})
    assert "Incorrect username or password" in text(answer)


def test_sign_out_needs_a_post(as_faculty: Client) -> None:
    assert as_faculty.get("/sign-out/").status_code == 405
    assert as_faculty.post("/sign-out/")["Location"] == "/sign-in/"
    assert as_faculty.get("/")["Location"] == "/sign-in/?next=/"

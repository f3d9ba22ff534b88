from django.contrib.auth.models import User
from django.test import Client

from tests.conftest import PASSWORD
from tests.web.support import a_job, text


def test_it_brings_a_deep_link_through_the_sign_in(client: Client, faculty: User) -> None:
    url = f"/jobs/{a_job(requester=faculty).pk}/"
    page = client.get(url, follow=True)
    assert f'name="next" value="{url}"' in text(page)
    answer = client.post("/sign-in/", {"username": "faculty", "password": PASSWORD, "next": url})
    assert answer.status_code == 302
    assert answer["Location"] == url


def test_it_says_that_the_password_is_wrong(client: Client, faculty: User) -> None:
    answer = client.post("/sign-in/", {"username": "faculty", "password": "wrong"})
    assert "Incorrect username or password" in text(answer)


def test_it_signs_out_by_post_only(as_faculty: Client) -> None:
    assert as_faculty.get("/sign-out/").status_code == 405
    assert as_faculty.post("/sign-out/")["Location"] == "/sign-in/"
    assert as_faculty.get("/")["Location"] == "/sign-in/?next=/"

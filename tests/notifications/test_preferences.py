"""Tests the page *Preferences*, on which people choose their mails and time zone."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dupdash.accounts.access import Role
from dupdash.notifications.models import Preferences
from dupdash.notifications.preferences import chosen_zone, others_topics, own_topics, wants_figures
from dupdash.notifications.topics import Topic, When
from tests.conftest import make_person

pytestmark = pytest.mark.django_db

URL = "/preferences/"


def as_person(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client) -> dict[str, Any]:
    """Return the values that the unchanged form would send."""
    form = client.get(URL).context["form"]
    return {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}


def test_page_shows_each_role_its_topics(administrator: User, faculty: User, help_desk: User) -> None:
    fields = {user.username: set(shown(as_person(user))) for user in (administrator, faculty, help_desk)}
    assert {"own_failed", "others_failed", "others_approval", "figures"} <= fields["ada"]
    assert "own_failed" in fields["faculty"]
    assert not {name for name in fields["faculty"] if name.startswith("others")}
    assert "figures" not in fields["faculty"]
    assert "others_failed" in fields["hal"]
    assert "others_approval" not in fields["hal"]
    assert "own_failed" not in fields["hal"]


def test_page_starts_with_the_defaults_of_the_role(administrator: User, faculty: User, help_desk: User) -> None:
    assert {topic for topic, when in own_topics(faculty).items() if when == When.NOW} == set(own_topics(faculty)) - {
        Topic.REQUESTED
    }
    assert {topic for topic, when in others_topics(administrator).items() if when == When.NOW} == {
        Topic.APPROVAL,
        Topic.FAILED,
        Topic.UNRESOLVED,
    }
    assert set(others_topics(help_desk).values()) == {When.NEVER}
    assert [wants_figures(user) for user in (administrator, faculty, help_desk)] == [True, False, False]


def test_choices_are_saved(administrator: User) -> None:
    client = as_person(administrator)
    chosen = shown(client) | {"others_failed": "daily", "own_succeeded": "now", "time_zone": "Europe/Berlin"}
    del chosen["figures"]
    del chosen["toasts"]
    answer = client.post(URL, chosen, follow=True)
    assert answer.redirect_chain == [(URL, 303)]
    assert "Your preferences are saved." in answer.content.decode()
    again = User.objects.get(pk=administrator.pk)
    assert others_topics(again)[Topic.FAILED] == When.DAILY
    assert own_topics(again)[Topic.SUCCEEDED] == When.NOW
    assert not wants_figures(again)
    assert not again.preferences.toasts
    assert str(chosen_zone(again)) == "Europe/Berlin"
    assert shown(client) == chosen


def test_choices_of_another_role_are_kept(faculty: User) -> None:
    Preferences.objects.create(user=faculty, others={"failed": "daily"})
    client = as_person(faculty)
    client.post(URL, shown(client) | {"others_failed": "now"})
    assert Preferences.objects.get().others == {"failed": "daily"}


@pytest.mark.parametrize(
    ("field", "value"), [("time_zone", "Europe/Atlantis"), ("own_failed", "hourly"), ("time_zone", "../../etc/passwd")]
)
def test_unknown_choice_is_refused(faculty: User, field: str, value: str) -> None:
    client = as_person(faculty)
    answer = client.post(URL, shown(client) | {field: value, "own_succeeded": "daily"})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {field}
    assert answer.context["form"]["own_succeeded"].value() == "daily"
    assert not Preferences.objects.exists()


def test_missing_email_address_is_shown() -> None:
    page = as_person(make_person("nomail", Role.FACULTY)).get(URL).content.decode()
    assert "nomail@example.edu" in page
    User.objects.update(email="")
    page = as_person(User.objects.get()).get(URL).content.decode()
    assert "your account has no email address" in page


def test_times_are_shown_in_the_chosen_zone(faculty: User) -> None:
    client = as_person(faculty)
    assert "data-zone" not in client.get(URL).content.decode()
    Preferences.objects.create(user=faculty, time_zone="Asia/Tokyo")
    assert '<html lang="en" data-zone="Asia/Tokyo"' in client.get(URL).content.decode()


def test_unknown_time_zone_breaks_no_page(faculty: User) -> None:
    Preferences.objects.create(user=faculty, time_zone="Europe/Atlantis")
    assert as_person(faculty).get(URL).status_code == 200


def test_page_requires_sign_in(client: Client) -> None:
    assert client.get(URL).headers["Location"] == f"{reverse('login')}?next={URL}"


def test_nobody_changes_the_preferences_of_others(faculty: User, colleague: User) -> None:
    client = as_person(faculty)
    client.post(URL, shown(client) | {"user": colleague.pk, "own_failed": "never"})
    assert list(Preferences.objects.values_list("user", flat=True)) == [faculty.pk]

"""Tests creating, changing, deleting and using presets of options."""

import pytest
from django.test import Client

from dupdash.duplication.models import DuplicationJob
from dupdash.moodle.options import OPTIONS
from dupdash.sandbox.server import Sandbox
from dupdash.web.models import OptionPreset
from tests.web.support import form, text

pytestmark = pytest.mark.django_db

URL = "/presets/"
FORM = "/jobs/new/"


def a_preset(name: str = "Fresh start", *on: str) -> OptionPreset:
    return OptionPreset.objects.create(name=name, options={option.name: option.name in on for option in OPTIONS})


# This switch is shown as on while people are off, because a stock Moodle copies people only with enrolment methods.
ON_WITH_PEOPLE = {"enrolments"}


def _on(page: str) -> set[str]:
    """Return the switches that are on in a page."""
    return {
        option.name
        for option in OPTIONS
        if " checked" in page.partition(f'name="{option.name}" value="1"')[2].partition(">")[0]
    }


def test_preset_is_created(as_administrator: Client) -> None:
    answer = as_administrator.post(URL, {"name": "  Fresh   start ", "activities": "1", "blocks": "1"}, follow=True)
    preset = OptionPreset.objects.get()
    assert (preset.name, preset.on) == ("Fresh start", ["activities", "blocks"])
    page = text(answer)
    assert "The preset “Fresh start” is saved" in page
    assert "Activities and resources, Blocks" in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Enter a name."),
        ("FRESH START", "A preset with this name already exists."),
        ("x" * 61, "at most 60 characters"),
        ("a\x07b", "one line of text"),
    ],
)
def test_errors_are_named(as_administrator: Client, name: str, said: str) -> None:
    a_preset()
    answer = as_administrator.post(URL, {"name": name, "logs": "1"})
    assert answer.status_code == 422
    assert said in text(answer)
    assert _on(text(answer)) == {"logs"} | ON_WITH_PEOPLE
    assert OptionPreset.objects.count() == 1


def test_preset_is_changed(as_administrator: Client) -> None:
    preset = a_preset("Old", "activities")
    page = text(as_administrator.get(f"{URL}{preset.pk}/"))
    assert 'value="Old"' in page
    assert _on(page) == {"activities"} | ON_WITH_PEOPLE
    as_administrator.post(f"{URL}{preset.pk}/", {"name": "old", "filters": "1"})
    preset.refresh_from_db()
    assert (preset.name, preset.on) == ("old", ["filters"])


def test_deletion_is_confirmed_first(as_administrator: Client) -> None:
    preset = a_preset()
    assert "Delete the preset “Fresh start”?" in text(as_administrator.get(f"{URL}{preset.pk}/delete/"))
    assert OptionPreset.objects.exists()
    answer = as_administrator.post(f"{URL}{preset.pk}/delete/", follow=True)
    assert "“Fresh start” is deleted" in text(answer)
    assert not OptionPreset.objects.exists()
    assert as_administrator.post(f"{URL}{preset.pk}/delete/").status_code == 404


def test_preset_sets_the_options_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    preset = a_preset("Archive", "activities", "users", "logs")
    assert f'value="{preset.pk}" formaction="#options-title" data-preset="activities users logs">Archive<' in text(
        as_administrator.get(FORM)
    )
    answer = as_administrator.post(FORM, form(use_preset=str(preset.pk), fullname="Kept"))
    page = text(answer)
    assert answer.status_code == 200
    assert _on(page) == {"activities", "users", "logs"}
    assert 'value="Kept"' in page
    assert "The options are set as in “Archive”." in page
    assert not DuplicationJob.objects.exists()


def test_preset_gives_faculty_no_data_of_people(as_faculty: Client, sandbox: Sandbox) -> None:
    preset = a_preset("Archive", "activities", "users", "logs")
    assert _on(text(as_faculty.post(FORM, form(use_preset=str(preset.pk))))) == {"activities"}


def test_deleted_preset_changes_nothing_in_the_form(as_administrator: Client, sandbox: Sandbox) -> None:
    for number in ("12345", "x", "9" * 30):
        page = text(as_administrator.post(FORM, form(use_preset=number, filters=None)))
        assert _on(page) == {"activities", "blocks"} | ON_WITH_PEOPLE


def test_presets_are_for_administrators(as_faculty: Client, as_help_desk: Client) -> None:
    preset = a_preset()
    for client in (as_faculty, as_help_desk):
        for url in (URL, f"{URL}{preset.pk}/", f"{URL}{preset.pk}/delete/"):
            assert client.get(url).status_code == 403
            assert client.post(url, {"name": "Mine"}).status_code == 403
    assert OptionPreset.objects.get().name == "Fresh start"

"""Tests behaviour that several pages share: partial pages, navigation, tokens, confirmations, banner, time zones."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.states import State
from dupdash.sandbox.server import Sandbox
from dupdash.web.models import OptionPreset
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db

NAVIGATES = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/live/", "/"),
        ("/jobs/{job}/status/", "/jobs/{job}/"),
        ("/jobs/{job}/moodle-check/", "/jobs/{job}/"),
        ("/jobs/rows/", "/jobs/"),
        ("/jobs/new/preview/", "/jobs/new/"),
        ("/jobs/new/source-choices/", "/jobs/new/"),
        ("/jobs/new/category-choices/", "/jobs/new/"),
        ("/jobs/new/check-short-name/", "/jobs/new/"),
    ],
)
def test_part_of_a_page_opened_directly_leads_to_its_page(as_administrator: Client, address: str, page: str) -> None:
    job = a_job(State.AWAITING_APPROVAL).pk
    answer = as_administrator.get(address.format(job=job), headers=NAVIGATES)
    assert (answer.status_code, answer["Location"]) == (303, page.format(job=job))


def test_part_of_a_page_answers_htmx(as_administrator: Client) -> None:
    job = a_job().pk
    answer = as_administrator.get(f"/jobs/{job}/status/", headers={**NAVIGATES, "HX-Request": "true"})
    assert answer.status_code == 200


def test_presets_are_in_the_navigation_of_administrators(as_administrator: Client, as_faculty: Client) -> None:
    assert '<a href="/presets/">Presets</a>' in text(as_administrator.get("/"))
    assert "/presets/" not in text(as_faculty.get("/"))


def test_administration_is_reached_by_staff_and_leads_back(administrator: User, as_administrator: Client) -> None:
    assert "/admin/" not in text(as_administrator.get("/"))
    User.objects.filter(pk=administrator.pk).update(is_staff=True)
    assert '<a href="/admin/">Administration</a>' in text(as_administrator.get("/"))
    admin = text(as_administrator.get("/admin/"))
    assert "dupdash administration" in admin
    assert '<a href="/">Back to dupdash</a>' in admin


def test_new_token_is_shown_once_after_a_redirect(as_administrator: Client) -> None:
    answer = as_administrator.post("/tokens/", {"label": "Night import", "days": "30"})
    assert (answer.status_code, answer["Location"]) == (303, "/tokens/")
    cookie = answer.cookies["new_token"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/tokens/")
    page = text(as_administrator.get("/tokens/"))
    shown = re.search(r'<code id="token">([^<]+)</code>', page)
    assert shown
    assert f'"wstoken={shown[1]}"' in page
    assert 'id="token"' not in text(as_administrator.get("/tokens/"))
    assert ApiToken.objects.count() == 1


def test_new_token_is_not_shown_to_somebody_else(as_administrator: Client, help_desk: User) -> None:
    as_administrator.post("/tokens/", {"label": "Night import", "days": "30"})
    as_administrator.force_login(help_desk)
    assert 'id="token"' not in text(as_administrator.get("/tokens/"))


def test_token_page_has_an_example_and_the_documentation(as_administrator: Client) -> None:
    page = text(as_administrator.get("/tokens/"))
    assert "curl http://testserver/webservice/rest/server.php" in page
    assert 'href="/documentation/web-services.txt"' in page
    answer = as_administrator.get("/documentation/web-services.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert "core_course_async_duplicate_course" in answer.content.decode()


def test_token_dialog_names_the_token(as_administrator: Client, administrator: User) -> None:
    token, _ = tokens.make(administrator, "Night import", days=30)
    page = text(as_administrator.get("/tokens/")).replace("\u2068", "").replace("\u2069", "")
    assert f'<h2 id="revoke-{token.pk}-title">Revoke “Night import”?</h2>' in page


def _buttons(page: str) -> list[str]:
    end = re.search(r'<div class="(?:form-end|dialog-end|actions)">(?:(?!</div>).)*primary danger.*?</div>', page)
    assert end, page
    return re.findall(r"<(a|button)\b[^>]*>", end[0])


def test_confirmations_put_the_safe_button_first(
    as_administrator: Client, administrator: User, sandbox: Sandbox
) -> None:
    job, waits = a_job(), a_job(State.AWAITING_APPROVAL, "WAITS")
    token, _ = tokens.make(administrator, "Night import", days=30)
    preset = OptionPreset.objects.create(name="Fresh start", options={})
    for address in (
        f"/jobs/{job.pk}/cancel/",
        f"/jobs/{waits.pk}/refuse/",
        f"/approvals/decide/?verb=refuse&job={waits.pk}",
        f"/jobs/bulk/?action=cancel&job={job.pk}",
        f"/tokens/{token.pk}/revoke/",
        f"/presets/{preset.pk}/delete/",
    ):
        assert _buttons(text(as_administrator.get(address))) == ["a", "button"], address
    dialog = text(as_administrator.get(f"/jobs/{job.pk}/")).partition("<dialog")[2]
    assert dialog.index("data-closes") < dialog.index("primary danger")


def test_banner_comes_and_goes_without_a_reload(as_faculty: Client) -> None:
    def poll(page: str) -> str:
        found = re.search(r'hx-get="(/news/\?banner=[0-9a-f]*)"', page)
        assert found
        return found[1]

    url = poll(as_faculty.get("/").content.decode())
    assert as_faculty.get(url).status_code == 204
    MoodleHealth.objects.create(id=1, paused_at=timezone.now(), is_outage=True)
    paused = as_faculty.get(url)
    assert "Moodle is not available at the moment" in text(paused)
    assert 'id="site-banner" hx-swap-oob="true"' in text(paused)
    url = poll(paused.content.decode())
    assert as_faculty.get(url).status_code == 204
    MoodleHealth.objects.update(paused_at=None)
    gone = text(as_faculty.get(url))
    assert 'id="site-banner"' in gone
    assert "Moodle is not available" not in gone


def test_time_zone_of_the_request_form_is_chosen_from_a_list(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.get("/jobs/new/"))
    zones = page.partition('name="timezone"')[2].partition("</select>")[0]
    assert '<option value="Europe/Berlin">Europe/Berlin</option>' in zones
    assert "Etc/" not in zones

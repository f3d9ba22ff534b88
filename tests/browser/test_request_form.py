"""Tests in a browser what scripts add to the request form, such as the preview and suggested names."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.duplication.states import State
from dupdash.moodle.options import OPTIONS
from dupdash.sandbox.server import Sandbox
from dupdash.web.models import OptionPreset
from tests.browser.support import sign_in
from tests.browser.test_main_flow import _sign_in
from tests.duplication.support import a_job

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_preview_follows_the_options(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/?source=7")
    expect(page.get_by_text("16 sections with 64 activities", exact=False).first).to_be_visible()
    page.get_by_role("switch", name="Activities and resources").uncheck()
    expect(page.get_by_text("All activities and resources: the sections will be empty.")).to_be_visible()


def test_unsupported_options_are_reported_at_once(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/?source=7")
    methods = page.get_by_role("switch", name="Enrolment methods")
    expect(methods).to_be_disabled()
    page.get_by_role("switch", name="People and their work").check()
    expect(methods).to_be_checked()
    methods.uncheck()
    refusal = page.get_by_text("Enrolment methods (enrolments): This Moodle always copies the enrolment methods")
    expect(refusal).to_be_visible()
    methods.check()
    expect(refusal).not_to_be_visible()


def test_names_are_filled_in_unless_somebody_typed(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/")
    page.get_by_label("Full name").fill("Typed by hand")
    page.get_by_label("Search for the course to copy").press_sequentially("bio101", delay=20)
    page.get_by_role("radio", name="Introduction to Biology BIO101-2026S1").check()
    expect(page.get_by_label("Short name")).to_have_value("BIO101-2027S1")
    expect(page.get_by_text("This short name is free.")).to_be_visible()
    expect(page.get_by_label("Full name")).to_have_value("Typed by hand")
    page.get_by_role("button", name="Use these names").click()
    expect(page.get_by_label("Full name")).to_have_value("Introduction to Biology (2027S1)")


@pytest.mark.parametrize(
    ("username", "on"),
    [("ada", ["activities", "users", "logs"]), ("faculty", ["activities"])],
)
def test_preset_sets_the_options(
    page: Page,
    live_server: LiveServer,
    administrator: User,
    faculty: User,
    sandbox: Sandbox,
    username: str,
    on: list[str],
) -> None:
    chosen = {option.name: option.name in ("activities", "users", "logs") for option in OPTIONS}
    OptionPreset.objects.create(name="Archive", options=chosen)
    _sign_in(page, live_server, username, "/jobs/new/")
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("“Archive” is set.")).to_be_visible()
    switched: Any = page.eval_on_selector_all("input[data-option]:checked", "inputs => inputs.map(i => i.name)")
    assert switched == on


def test_visibility_starts_as_in_the_source_until_it_is_set(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    sandbox.state.change(7, visible=0)
    _sign_in(page, live_server, "ada", "/jobs/new/")
    visible = page.get_by_label("Students can see the copy")
    expect(visible).to_be_checked()
    page.get_by_label("Search for the course to copy").press_sequentially("bio101", delay=20)
    page.get_by_role("radio", name="BIO101-2026S1").check()
    expect(visible).not_to_be_checked()
    expect(page.get_by_text("Students cannot see the copy until somebody shows it")).to_be_visible()
    visible.check()
    expect(page.get_by_text("although they cannot see the source")).to_be_visible()


def test_earlier_copy_to_the_same_term_is_shown_and_needs_a_tick(
    page: Page, live_server: LiveServer, administrator: User, faculty: User, sandbox: Sandbox
) -> None:
    a_job(State.SUCCEEDED, "BIO101-2027S1", source_id=7, category_id=8, requester=faculty, finished_at=timezone.now())
    _sign_in(page, live_server, "ada", "/jobs/new/?source=7")
    page.get_by_label("Short name").fill("BIO101-2027S1-B")
    page.get_by_label("Short name").press("Tab")
    notice = page.get_by_text("This course was already copied to this term")
    expect(notice).to_be_visible()
    page.get_by_label("Make another copy").check()
    # A new preview keeps the checkbox ticked.
    page.get_by_role("switch", name="Blocks").uncheck()
    expect(page.get_by_text("The blocks beside the content.")).to_be_visible()
    expect(page.get_by_label("Make another copy")).to_be_checked()


def test_category_is_suggested_in_view_and_can_be_filtered(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/")
    search = page.get_by_label("Search for the course to copy")
    expect(search).to_be_focused()
    search.press_sequentially("Bio-101", delay=20)
    page.get_by_role("radio", name="BIO101-2026S1").check()
    suggested = page.locator("input[name=category][value='8']")
    expect(suggested).to_be_checked()
    _scroll_to(page, "#id_category")
    expect(suggested).to_be_in_viewport()
    page.get_by_label("Filter the categories").press_sequentially("chemistry 2026 1", delay=20)
    chosen = page.get_by_role("radio", name="School of Chemistry / 2026 Semester 1")
    chosen.check()
    value = chosen.get_attribute("value") or ""
    expect(page.get_by_role("definition").filter(has_text="School of Chemistry / 2026 Semester 1")).to_be_visible()
    # Choosing another source does not change the category that a person chose.
    search.fill("che101")
    page.get_by_role("radio", name="CHE101-2026S1").check()
    expect(page.get_by_role("definition").filter(has_text="CHE101-2026S1")).to_be_visible()
    expect(page.locator("input[name=category]:checked")).to_have_value(value)


def test_branch_of_the_tree_opens_by_keyboard(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/")
    inside = page.get_by_role("radio", name="School of Biology")
    expect(inside).not_to_be_visible()
    page.get_by_label("Categories in Faculty of Science").press("Enter")
    expect(inside).to_be_visible()


def test_preview_and_button_stay_in_view_on_a_wide_screen(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    _sign_in(page, live_server, "ada", "/jobs/new/?source=7")
    expect(page.get_by_text("16 sections with 64 activities", exact=False).first).to_be_visible()
    for place in ("#source-title", "#options-title", "#start-title"):
        _scroll_to(page, place)
        expect(page.get_by_role("button", name="Request copy")).to_be_in_viewport(ratio=1)
        expect(page.locator("#preview-title")).to_be_in_viewport(ratio=1)


def test_taken_short_name_is_replaced_by_a_press(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/")
    page.get_by_label("Short name").press_sequentially("BIO101-2026S1", delay=10)
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_label("Short name")).to_have_value("BIO101-2027S1")
    expect(page.get_by_text("This short name is free.")).to_be_visible()


def test_form_survives_the_end_of_the_session(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/?source=7")
    expect(page.get_by_label("Short name")).to_have_value("BIO101-2027S1")
    page.get_by_role("textbox", name="Note").fill("For the summer school.")
    page.context.clear_cookies(name="sessionid")
    page.get_by_label("Short name").fill("BIO101-2027X")
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_role("button", name="Request copy").click()
    expect(page.get_by_text("Your input is kept.")).to_be_visible()
    sign_in(page, "ada")
    expect(page.get_by_role("textbox", name="Note")).to_have_value("For the summer school.")
    expect(page.get_by_label("Short name")).to_have_value("BIO101-2027X")
    page.get_by_role("button", name="Request copy").click()
    expect(page.get_by_text("Request received.")).to_be_visible()


def test_form_survives_a_new_sign_in_in_another_tab(
    page: Page, live_server: LiveServer, administrator: User, sandbox: Sandbox
) -> None:
    _sign_in(page, live_server, "ada", "/jobs/new/?source=7")
    expect(page.get_by_label("Short name")).to_have_value("BIO101-2027S1")
    page.get_by_role("textbox", name="Note").fill("For the summer school.")
    with page.context.new_page() as other:
        other.goto(f"{live_server.url}/")
        other.get_by_role("button", name="Sign out").click()
        sign_in(other, "ada")
        expect(other.get_by_role("link", name="New copy").first).to_be_visible()
    page.get_by_role("button", name="Request copy").click()
    expect(page.get_by_role("textbox", name="Note")).to_have_value("For the summer school.")
    page.get_by_role("button", name="Request copy").click()
    expect(page.get_by_text("Request received.")).to_be_visible()


def _scroll_to(page: Page, selector: str) -> None:
    page.eval_on_selector(selector, "element => element.scrollIntoView()")

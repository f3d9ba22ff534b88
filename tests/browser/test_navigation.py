"""Tests the browser's back and forward buttons, shared URLs, and the navigation menu."""

import re

import pytest
from playwright.sync_api import Browser, Route, expect
from pytest_django.live_server_helper import LiveServer

from dupdash.sandbox.server import Sandbox
from tests.browser.demo_data import open_demo_data
from tests.browser.support import fits, sign_in, window

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_requested_url_survives_the_sign_in(browser: Browser, live_server: LiveServer, sandbox: Sandbox) -> None:
    job = open_demo_data(sandbox, past=4).jobs["failed"]
    with window(browser, live_server.url) as page:
        page.goto("/jobs/?q=permissions&state=failed")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        # A failed sign-in keeps the requested URL.
        page.get_by_label("Username").fill("hal")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Incorrect username or password")).to_be_visible()
        sign_in(page, "hal")
        expect(page).to_have_url(f"{live_server.url}/jobs/?q=permissions&state=failed")
        expect(page.get_by_role("link", name=job.fullname).first).to_be_visible()


def test_back_and_forward_show_what_was_seen(browser: Browser, live_server: LiveServer, sandbox: Sandbox) -> None:
    campus = open_demo_data(sandbox, past=40)
    job = campus.jobs["failed"]
    with window(browser, live_server.url, campus.administrator) as page:
        page.goto("/jobs/")
        heading = page.get_by_role("heading", level=2).first
        everything = heading.text_content() or ""
        page.get_by_role("search").get_by_label("State").select_option(label="Failed")
        expect(page).to_have_url(re.compile("state=failed"))
        expect(heading).to_contain_text("match")
        failed = heading.text_content() or ""
        page.get_by_role("link", name=job.fullname).first.click()
        expect(page.locator("#job-status .state")).to_have_text("Failed")

        page.go_back()
        expect(heading).to_have_text(failed)
        expect(page.get_by_role("search").get_by_label("State")).to_have_value("failed")
        page.go_back()
        expect(heading).to_have_text(everything)
        page.go_forward()
        expect(heading).to_have_text(failed)
        page.go_forward()
        expect(page.get_by_role("heading", level=1)).to_have_text(job.fullname)


def test_forward_works_before_the_page_has_loaded(browser: Browser, live_server: LiveServer, sandbox: Sandbox) -> None:
    """Going forward before the scripts have loaded shows the page that belongs to the URL."""
    person = open_demo_data(sandbox, past=20).administrator
    held: list[Route] = []
    with window(browser, live_server.url, person) as page:
        page.goto("/jobs/")
        heading = page.get_by_role("heading", level=2).first
        everything = heading.text_content() or ""
        page.get_by_role("search").get_by_label("State").select_option(label="Failed")
        expect(heading).to_contain_text("match")
        failed = heading.text_content() or ""
        expect(page).to_have_url(re.compile("state=failed"))

        page.route("**/js/app*.js", lambda route: route.continue_() if held else held.append(route))
        page.go_back(wait_until="commit")
        expect(heading).to_have_text(everything)
        page.go_forward(wait_until="commit")
        held[0].continue_()
        expect(page).to_have_url(re.compile("state=failed"))
        expect(heading).to_have_text(failed)


def test_long_name_fits_at_every_width(browser: Browser, live_server: LiveServer, sandbox: Sandbox) -> None:
    """A long name fits at every width between a phone and a wide screen, even where the menu becomes a row."""
    person = open_demo_data(sandbox, past=10).administrator
    person.first_name, person.last_name = "Alexandra Wilhelmina", "Featherstonehaugh-Cholmondeley"
    person.save()
    narrow: list[str] = []
    with window(browser, live_server.url, person, reduced_motion="reduce") as page:
        for address in ("/", "/jobs/", "/approvals/", "/insights/"):
            page.goto(address)
            for width in (1600, 1345, 1280, 1200, 1185, 1180, 1025, 1000, 900, 770, 765, 600, 320):
                page.set_viewport_size({"width": width, "height": 600})
                narrow += [] if fits(page) else [f"{address} at {width}"]
    assert narrow == []


def test_pages_behind_more_are_reached_by_mouse_and_keyboard(
    browser: Browser, live_server: LiveServer, sandbox: Sandbox
) -> None:
    person = open_demo_data(sandbox, past=5).administrator
    with window(browser, live_server.url, person) as page:
        page.goto("/")
        presets = page.get_by_role("navigation", name="Main").get_by_role("link", name="Presets")
        expect(presets).to_be_hidden()
        page.get_by_role("button", name="More").click()
        presets.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Presets")
        page.get_by_role("button", name="More").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("API tokens")

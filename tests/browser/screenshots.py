"""``scripts/screenshots``: takes screenshots of each page in each state, at both widths and in both colour schemes.

This process runs everything: a sandbox, the web server, and a temporary database in a file.
"""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent.parent
IN_README = ROOT / "docs" / "images"
# A larger picture would make the README slow to load.
README_MOST = 250_000

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, Page

    from tests.browser.demo_data import DemoData


def set_up(program: str) -> str | None:
    """Set up Django with the settings of the tests. Returns the path of Chromium, or exits if there is none."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    # Some of the opened pages are error pages, so Django's warnings about them are switched off.
    logging.disable(logging.ERROR)
    from tests.browser.conftest import CHROMIUM

    if CHROMIUM is None:
        print(f"{program}: there is no Chromium on this machine (apt install chromium)", file=sys.stderr)
    return CHROMIUM


def main(arguments: Sequence[str]) -> int:
    chosen = _parse(arguments)
    chromium = set_up("screenshots")
    if chromium is None:
        return 1
    with open_site(rollover=not chosen.readme) as (base, campus), open_chromium(chromium) as browser:
        if chosen.readme:
            IN_README.mkdir(parents=True, exist_ok=True)
            return _for_the_readme(browser, base, campus)
        folder: Path = chosen.folder
        folder.mkdir(parents=True, exist_ok=True)
        made = sum(_everything(browser, base, campus, folder, chosen.named))
    print(f"{made} pictures in {folder}")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Makes a picture of each page.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "var" / "screenshots", help="where they go")
    parser.add_argument("--readme", action="store_true", help="make the four of the README anew, in docs/images")
    parser.add_argument("--named", default="", help="only pages whose name contains this, for example rollover")
    return parser.parse_args(arguments)


@contextmanager
def open_site(*, rollover: bool = True) -> Iterator[tuple[str, "DemoData"]]:
    from django.conf import settings
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.test.testcases import LiveServerThread
    from django.test.utils import setup_databases, teardown_databases

    from dupdash.sandbox.server import Sandbox
    from tests.browser.demo_data import open_demo_data
    from tests.browser.demo_rollover import open_rollover

    # The output of the migrations is not shown.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        databases = setup_databases(verbosity=0, interactive=False)
    settings.ALLOWED_HOSTS = ["localhost"]
    try:
        with Sandbox(speed=1000) as moodle:
            settings.MOODLE_URL, settings.MOODLE_TOKEN = moodle.url, moodle.token
            campus = open_demo_data(moodle)
            if rollover:
                campus.rollover = open_rollover(campus)
            server = LiveServerThread("localhost", StaticFilesHandler)
            server.daemon = True
            server.start()
            server.is_ready.wait()
            if server.error:
                raise server.error
            try:
                yield f"http://localhost:{server.port}", campus
            finally:
                server.terminate()
    finally:
        teardown_databases(databases, verbosity=0)


@contextmanager
def open_chromium(path: str) -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


# --- All pages -------------------------------------------------------------------------------------------------


def _everything(browser: "Browser", base: str, campus: "DemoData", folder: Path, named: str) -> Iterator[int]:
    from tests.browser.support import DESKTOP, HEIGHTS, PHONE, Scheme, window

    schemes: tuple[Scheme, ...] = ("light", "dark")
    for who, pages in pages_by_person(campus).items():
        person: User | None = getattr(campus, who, None)
        with window(browser, base, person, reduced_motion="reduce") as page:
            for name, address in pages.items():
                if named not in name:
                    continue
                page.goto(address)
                prepare(page, name)
                page.evaluate("scrollTo(0, 0)")
                for width in (DESKTOP, PHONE):
                    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
                    for scheme in schemes:
                        page.emulate_media(color_scheme=scheme)
                        size = "desktop" if width == DESKTOP else "phone"
                        page.screenshot(path=folder / f"{who}-{name}-{size}-{scheme}.png", full_page=True)
                        yield 1


def pages_by_person(campus: "DemoData") -> dict[str, dict[str, str]]:
    """Return the URLs of the pages by the person who opens them. Pages without data are left out."""
    from django.urls import NoReverseMatch, reverse

    def known(names: Sequence[str]) -> dict[str, str]:
        found = {}
        for name in names:
            try:
                found[name.replace("jobs:", "").replace("_", "-")] = reverse(name)
            except NoReverseMatch:
                continue
        return found

    waiting = campus.jobs["awaiting_approval"].pk
    job_pages = {f"job-{name.replace('_', '-')}": f"/jobs/{job.pk}/" for name, job in campus.jobs.items()}
    return {
        "nobody": {"sign-in": "/sign-in/"},
        "administrator": {
            **known(["overview", "jobs:list", "jobs:request", "approvals", "insights"]),
            **known(["preferences", "presets", "tokens"]),
            **job_pages,
            "request-found": "/jobs/new/",
            "request-errors": "/jobs/new/",
            "list-empty": "/jobs/?q=there+is+no+such+copy",
            "bulk-retry": f"/jobs/bulk/?action=retry&job={campus.jobs['failed'].pk}",
            "bulk-cancel": f"/jobs/bulk/?action=cancel&job={campus.jobs['running'].pk}&job={waiting}",
            "insights-empty": "/insights/?from=2001-01-01&until=2001-01-02",
            "dialog": f"/jobs/{campus.jobs['running'].pk}/",
            "approve": f"/jobs/{waiting}/approve/",
            "refuse": f"/jobs/{waiting}/refuse/",
            "retry": f"/jobs/{campus.jobs['failed'].pk}/retry/",
            "retry-not-now": f"/jobs/{campus.jobs['unresolved'].pk}/retry/",
            "edit": f"/jobs/{waiting}/edit/",
            "settle": f"/jobs/{campus.jobs['unresolved'].pk}/settle/",
            "nothing-here": "/no/such/page/",
            **{f"rollover-{name}": address for name, address in campus.rollover.items()},
        },
        "faculty": {
            **known(["overview", "jobs:request", "jobs:list", "preferences"]),
            "not-yours": "/insights/",
        },
        "help_desk": {**known(["overview"]), "job-failed": f"/jobs/{campus.jobs['failed'].pk}/"},
    }


def prepare(page: "Page", name: str) -> None:
    """Bring a page into the state that the name of its screenshot describes."""
    match name:
        case "request-errors":
            page.get_by_role("button", name="Request copy").click()
            page.get_by_text("Please fix the fields below").wait_for()
        case "request-found":
            _choose_a_source(page)
        case "dialog":
            page.get_by_role("link", name="Cancel").click()
            page.get_by_role("dialog").wait_for()
        case "job-failed":
            page.get_by_text("Moodle’s error message").first.click()
        case "approvals":
            page.wait_for_load_state("networkidle")
        case _:
            pass


def _choose_a_source(page: "Page") -> None:
    page.get_by_label("Search for the course to copy").press_sequentially("bio101")
    page.get_by_role("radio", name="BIO101-2026S1").check()
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur()")


# --- Pictures for the README -----------------------------------------------------------------------------------


def _for_the_readme(browser: "Browser", base: str, campus: "DemoData") -> int:
    from tests.browser.support import DESKTOP, PHONE, window

    too_large = []
    running = f"/jobs/{campus.jobs['running'].pk}/"
    for name, who, address, width, scheme, height in (
        ("job-desktop-light", campus.administrator, running, DESKTOP, "light", 940),
        ("overview-desktop-dark", campus.administrator, "/", DESKTOP, "dark", 800),
        ("request-phone-light", campus.faculty, "/jobs/new/", PHONE, "light", 800),
        ("copies-desktop-light", campus.help_desk, "/jobs/", DESKTOP, "light", 800),
    ):
        with window(browser, base, who, width=width, scheme=scheme, reduced_motion="reduce") as page:
            page.set_viewport_size({"width": width, "height": height})
            page.goto(address)
            if name.startswith("request"):
                _choose_a_source(page)
                page.evaluate("scrollTo(0, 0)")
            picture = IN_README / f"{name}.png"
            page.screenshot(path=picture)
        _shrink(picture)
        size = picture.stat().st_size
        print(f"{picture.relative_to(ROOT)}: {size // 1000} kB")
        if size > README_MOST:
            too_large.append(picture.name)
    if too_large:
        print(f"screenshots: too large for the README: {', '.join(too_large)}", file=sys.stderr)
    return 1 if too_large else 0


def _shrink(picture: Path) -> None:
    """Reduce the colours of a picture, if a program for this is installed."""
    if shutil.which("optipng"):
        import subprocess

        subprocess.run(["optipng", "-quiet", picture], check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

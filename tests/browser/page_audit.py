"""``scripts/audit-pages``: checks every page in every state, at both widths and in both colour schemes.

axe-core must find no violation, no page may scroll sideways, and the layout shift of a load must be at most 0.001. If
Lighthouse is installed (``npm install --global lighthouse``), its scores are checked, too. The pages are those of
``scripts/screenshots``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser.screenshots import open_chromium, open_site, set_up

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.demo_data import DemoData

SHIFT_MOST = 0.001
LOWEST_SCORE = 98
SCORES = ("performance", "accessibility", "best-practices")
# Lighthouse takes half a minute for a page, so it checks only one page of each kind.
SCORED = ("administrator-overview", "administrator-list", "administrator-request", "administrator-job-failed")

# Adds up the layout shifts since the page began to load.
SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
    }).observe({type: "layout-shift", buffered: true});
"""


@dataclass(frozen=True)
class PageToCheck:
    who: str
    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.who}-{self.name}"


def main(arguments: Sequence[str]) -> int:
    chosen = _parse(arguments)
    chromium = set_up("audit-pages")
    if chromium is None:
        return 1
    problems: list[str] = []
    with open_site() as (base, campus), open_chromium(chromium) as browser:
        pages = _portion([page for page in _pages(campus) if chosen.named in page.name], chosen.part)
        worst = 0.0
        for page in pages:
            found, shift = _check(browser, base, campus, page)
            worst = max(worst, shift)
            problems += found
            print(f"{page}: {'ok' if not found else f'{len(found)} problems'}, shift {shift:.4f}", flush=True)
        if chosen.lighthouse:
            problems += _lighthouse(base, campus, chromium)
    print(f"{len(pages)} pages, 2 widths, 2 colour schemes: {len(problems)} problems, largest shift {worst:.4f}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/audit-pages", description="Checks accessibility and layout shift.")
    parser.add_argument("--part", default="1/1", help="a portion of the pages, for example 2/4")
    parser.add_argument("--named", default="", help="only pages whose name contains this, for example rollover")
    parser.add_argument("--lighthouse", action="store_true", help="also check Lighthouse's scores")
    return parser.parse_args(arguments)


def _pages(campus: "DemoData") -> list[PageToCheck]:
    from tests.browser.screenshots import pages_by_person

    return [
        PageToCheck(who, name, address)
        for who, pages in pages_by_person(campus).items()
        for name, address in pages.items()
    ]


def _portion(pages: list[PageToCheck], part: str) -> list[PageToCheck]:
    number, _, count = part.partition("/")
    return pages[int(number) - 1 :: int(count)]


def _check(browser: "Browser", base: str, campus: "DemoData", page: PageToCheck) -> tuple[list[str], float]:
    """Return the problems of one page, and the largest layout shift of its loads."""
    from tests.browser.support import DESKTOP, PHONE, Scheme, window

    schemes: tuple[Scheme, ...] = ("light", "dark")
    problems: list[str] = []
    worst = 0.0
    for width in (DESKTOP, PHONE):
        person = getattr(campus, page.who, None)
        with window(browser, base, person, width=width, reduced_motion="reduce") as tab:
            tab.add_init_script(SHIFTS)
            tab.goto(page.address)
            tab.wait_for_load_state("networkidle")
            shift = float(tab.evaluate("window.shifted"))
            worst = max(worst, shift)
            if shift > SHIFT_MOST:
                problems.append(f"{page} ({width}): layout shift {shift:.4f}")
            problems += _violations(tab, page, width, schemes)
    return problems, worst


def _violations(tab: "Page", page: PageToCheck, width: int, schemes: Sequence[str]) -> Iterator[str]:
    from tests.browser.axe import find_violations
    from tests.browser.screenshots import prepare
    from tests.browser.support import fits

    prepare(tab, page.name)
    if not fits(tab):
        yield f"{page} ({width}): scrolls sideways, or a state stands out of its cell"
    for scheme in schemes:
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for violation in find_violations(tab):
            yield f"{page} ({width}, {scheme}): {violation}"


def _lighthouse(base: str, campus: "DemoData", chromium: str) -> list[str]:
    """Return a line for each page with a score that is too low, or one line if Lighthouse is not installed."""
    from django.conf import settings

    from tests.conftest import signed_in

    program = shutil.which("lighthouse")
    if program is None:
        return ["Lighthouse is not installed (npm install --global lighthouse)"]
    problems = []
    cookie = signed_in(campus.administrator).cookies[settings.SESSION_COOKIE_NAME].value
    for page in _pages(campus):
        if str(page) not in SCORED:
            continue
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [
                program,
                f"{base}{page.address}",
                "--quiet",
                "--output=json",
                f"--output-path={report}",
                f"--only-categories={','.join(SCORES)}",
                "--preset=desktop",
                f"--extra-headers={json.dumps({'Cookie': f'{settings.SESSION_COOKIE_NAME}={cookie}'})}",
                "--chrome-flags=--headless=new --no-sandbox",
            ]
            subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": chromium})
            result = json.loads(report.read_text())
        scores = {name: _score(result["categories"][name]) for name in SCORES}
        print(f"{page}: Lighthouse {scores}", flush=True)
        problems += [
            f"{page}: {name} {score}" for name, score in scores.items() if score is not None and score < LOWEST_SCORE
        ]
        problems += [f"{page}: {audit['id']} not measured: {audit['errorMessage']}" for audit in _failed_audits(result)]
    return problems


def _score(category: dict[str, Any]) -> int | None:
    """Return the score from 0 to 100; None if Lighthouse could not measure a part of it."""
    return None if category["score"] is None else round(category["score"] * 100)


def _failed_audits(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [audit for audit in result["audits"].values() if audit["scoreDisplayMode"] == "error"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

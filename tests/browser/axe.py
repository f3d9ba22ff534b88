"""Checks the page in a browser with axe-core."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SOURCE = (Path(__file__).parent / "vendor" / "axe" / "axe.min.js").read_text()

# A control that has scrolled halfway under the header looks too small to touch.
ASK = """async (only) => {
    window.scrollTo({top: 0, behavior: "instant"});
    const found = await axe.run(document, {
        resultTypes: ["violations"],
        ...(only ? {runOnly: {type: "rule", values: only}} : {rules: {"target-size": {enabled: true}}}),
    });
    return found.violations.map(({id, help, nodes}) => [id, help, nodes.map((node) => node.html)]);
}"""


def find_violations(page: Page, *, only: list[str] | None = None) -> list[str]:
    """Return the violations that axe finds: each rule with the elements that break it. ``only``: check these rules."""
    # A click returns while the next document is still empty.
    page.wait_for_load_state()
    # The script is injected with the debugger, because the Content-Security-Policy of the pages allows no other script.
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE)
    found: list[tuple[str, str, list[Any]]] = page.evaluate(ASK, only)
    return [f"{rule} ({words}): {html[:200]}" for rule, words, nodes in found for html in nodes[:3]]

"""axe-core, asked about the page that a browser shows."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SOURCE = (Path(__file__).parent / "vendor" / "axe" / "axe.min.js").read_text()

ASK = """(only) => axe.run(document, {
    resultTypes: ["violations"],
    ...(only ? {runOnly: {type: "rule", values: only}} : {rules: {"target-size": {enabled: true}}}),
}).then((found) => found.violations.map(({id, help, nodes}) => [id, help, nodes.map((node) => node.html)]))"""


def look_at(page: Page, *, only: list[str] | None = None) -> list[str]:
    """What axe finds: each rule that is broken, with what breaks it. ``only``: these rules, else all."""
    # Through the debugger, because the pages' own Content-Security-Policy lets in no script from elsewhere.
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE)
    found: list[tuple[str, str, list[Any]]] = page.evaluate(ASK, only)
    return [f"{rule} ({words}): {html[:200]}" for rule, words, nodes in found for html in nodes[:3]]

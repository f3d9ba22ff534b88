"""Tests the documents: each link has a target, and prose is wrapped."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "moodle_plugin" / "local_asyncduplicate" / "README.md",
]
PROSE_WIDTH = 120
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_each_link_has_a_target(document: Path) -> None:
    targets = [target for _, target in LINK.findall(document.read_text())]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "docs/failures.md"])
def test_each_linked_test_has_its_name_in_the_link(document: str) -> None:
    links = LINK.findall((ROOT / document).read_text())
    tests = [(label, Path(target).stem) for label, target in links if target.endswith(".py")]
    assert tests
    assert [link for link in tests if link[0] != link[1]] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_prose_is_wrapped(document: Path) -> None:
    """Tables and images may have long lines, because Markdown cannot wrap them."""
    lines = enumerate(document.read_text().splitlines(), start=1)
    unwrapped = [number for number, line in lines if len(line) > PROSE_WIDTH and line.lstrip()[0] not in "|!"]
    assert unwrapped == []

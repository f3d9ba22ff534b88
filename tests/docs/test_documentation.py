"""Tests that the documentation builds without warnings, and that its reference pages are complete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dupdash.duplication.advice import advice
from dupdash.duplication.explanations import EXPLANATIONS
from dupdash.operations.reference import ADMINISTRATOR, write_pages

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    write_pages(ROOT / ".env.example", folder)
    return folder


def test_site_builds_without_warnings(reference: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for page in (ROOT / "docs").iterdir():
        if page.name != "reference":
            (docs / page.name).symlink_to(page)
    (docs / "reference").symlink_to(reference)
    configuration = tmp_path / "mkdocs.yml"
    configuration.write_text(f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: {docs}\nsite_dir: {tmp_path / 'site'}\n")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(configuration)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "reference" / "settings.html").exists()


def test_every_setting_of_the_environment_is_described(reference: Path) -> None:
    source = (ROOT / "dupdash" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source))
    described = set(re.findall(r"^\| `([A-Z0-9_]+)`", (reference / "settings.md").read_text(), re.MULTILINE))
    assert read
    assert read <= described


def test_every_error_code_has_its_cure(reference: Path) -> None:
    page = (reference / "errors.md").read_text()
    for code, explanation in EXPLANATIONS.items():
        assert f"| `{code}` |" in page
        assert advice(explanation, ADMINISTRATOR).split(".")[0].replace("<", "&lt;") in page


def test_every_command_is_described(reference: Path) -> None:
    page = (reference / "commands.md").read_text()
    commands = {path.stem for path in (ROOT / "dupdash").glob("*/management/commands/[a-z]*.py")}
    sandbox = {path.stem for path in (ROOT / "dupdash/sandbox/management/commands").glob("[a-z]*.py")}
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == commands - sandbox

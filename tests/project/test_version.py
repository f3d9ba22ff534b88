"""Tests that the version in dupdash's User-Agent is the version of the project."""

import tomllib
from pathlib import Path

from dupdash import VERSION

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_version_is_the_one_of_the_project() -> None:
    assert tomllib.loads(PROJECT.read_text("utf-8"))["project"]["version"] == VERSION

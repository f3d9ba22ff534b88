"""Tests that the import layers in pyproject.toml contain every module of dupdash."""

import tomllib
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)


def _layers() -> set[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    lines = [line for contract in contracts if contract["type"] == "layers" for line in contract["layers"]]
    return {module.strip() for line in lines for module in line.replace(":", "|").split("|")}


def _modules() -> list[str]:
    """Return every module with code, except migrations."""
    files = [
        file for file in (ROOT / "dupdash").rglob("*.py") if "migrations" not in file.parts and file.stat().st_size
    ]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]


def test_every_module_is_in_a_layer() -> None:
    layers = _layers()
    covered = [module for module in _modules() if any(f"{module}.".startswith(f"{layer}.") for layer in layers)]
    assert sorted(set(_modules()) - set(covered)) == ["dupdash"]


def test_every_layer_exists() -> None:
    packages = {str(Path(*layer.split("."))) for layer in _layers()}
    assert sorted(one for one in packages if not (ROOT / one).is_dir() and not (ROOT / f"{one}.py").is_file()) == []

"""Reads captured requests and answers of a stock Moodle 4.5.6 from ``tests/wire``."""

import json
from pathlib import Path
from typing import Any

WIRE = Path(__file__).parent / "wire"


def capture(name: str) -> dict[str, Any]:
    captured: dict[str, Any] = json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))
    return captured

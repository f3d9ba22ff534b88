"""Converts a DuplicationRequest to JSON and back, to store it with its row until the plan is started."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from dupdash.duplication.models import Origin
from dupdash.duplication.request import DuplicationRequest

_MOMENTS = ("not_before",)
_DAYS = ("startdate", "enddate")


def to_json(request: DuplicationRequest) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date | datetime) else value
        for name, value in asdict(request).items()
    }


def from_json(stored: dict[str, Any]) -> DuplicationRequest:
    values = dict(stored)
    values["origin"] = Origin(values["origin"])
    for names, kind in ((_MOMENTS, datetime), (_DAYS, date)):
        for name in names:
            if values.get(name):
                values[name] = kind.fromisoformat(values[name])
    return DuplicationRequest(**values)

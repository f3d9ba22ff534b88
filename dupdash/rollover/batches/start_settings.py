"""Stores what the owner chooses when a plan is started: start time, window, priority, mail and hidden sources."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, time
from typing import Any

from dupdash.duplication.batch import Priority


@dataclass(frozen=True)
class StartSettings:
    """The settings of a started plan. ``not_before``: the start time of rows that have none of their own."""

    not_before: datetime | None = None
    window: tuple[time, time] | None = None
    priority: int = Priority.NORMAL
    mail_results: bool = False
    # Whether to hide the sources from students after the batch has ended, if their copies are complete.
    hide_sources: bool = False

    def to_json(self) -> dict[str, Any]:
        stored = asdict(self)
        stored["not_before"] = self.not_before.isoformat() if self.not_before else None
        stored["window"] = [f"{moment:%H:%M}" for moment in self.window] if self.window else None
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "StartSettings":
        values = dict(stored)
        if values.get("not_before"):
            values["not_before"] = datetime.fromisoformat(values["not_before"])
        if values.get("window"):
            first, last = values["window"]
            values["window"] = (time.fromisoformat(first), time.fromisoformat(last))
        return cls(**values)

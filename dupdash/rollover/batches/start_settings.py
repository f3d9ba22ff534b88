"""Defines what a person chooses to start a plan: start time, window, priority, email and hidden sources."""

from dataclasses import dataclass
from datetime import datetime, time

from dupdash.duplication.batch_tables import Priority


@dataclass(frozen=True)
class StartSettings:
    """The settings of a started plan. ``not_before``: the start time of rows that have none of their own."""

    not_before: datetime | None = None
    window: tuple[time, time] | None = None
    priority: int = Priority.NORMAL
    mail_results: bool = False
    # Whether to hide the sources from students after the batch has ended, if their copies are complete.
    hide_sources: bool = False

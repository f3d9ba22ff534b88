"""Finds out who approved a job, and when."""

from dataclasses import dataclass
from datetime import datetime

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.person_names import COMMAND_LINE, name_of


@dataclass(frozen=True)
class Approval:
    who: str
    when: datetime


def approval_of(job: DuplicationJob) -> Approval | None:
    """Return the approval of a job, or None if the job was never approved, or its approval was undone."""
    event = job.approval_event()
    return Approval(name_of(event.actor, COMMAND_LINE), event.at) if event else None

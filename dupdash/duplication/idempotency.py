"""Recognises a request that is submitted again.

It finds the job with the idempotency key, and compares the request with the one that created this job, before an
approval changed it.
"""

from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import User

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.request import Draft
from dupdash.moodle import options

# The columns that an approval can change, and what the timeline calls them.
CHANGEABLE = {
    "fullname": "full name",
    "shortname": "short name",
    "category_id": "category",
    "category_name": "category",
    "visible": "visibility",
    "options": "options",
    "startdate": "start date",
    "enddate": "end date",
    "idnumber": "ID number",
    "not_before": "start time",
}
# The columns that an event stores as text in ISO 8601.
_READ_DATE = {
    "not_before": datetime.fromisoformat,
    "startdate": date.fromisoformat,
    "enddate": date.fromisoformat,
}


def job_with_key(idempotency_key: str, *, actor: User) -> DuplicationJob | None:
    """Return the job that this person submitted with an idempotency key; None if there is none, or if the key is ""."""
    if not idempotency_key:
        return None
    return DuplicationJob.objects.filter(requester=actor, idempotency_key=idempotency_key).first()


def asks_for(job: DuplicationJob, request: Draft, source_id: int) -> bool:
    """Return whether this job was created from an equal request. Ignores the note and the start time."""
    first = original_request(job)
    asked = (
        source_id,
        request.fullname.strip(),
        request.shortname.strip(),
        request.category_id,
        request.visible,
        request.startdate,
        request.enddate,
        request.idnumber.strip(),
    )
    names = ("fullname", "shortname", "category_id", "visible", "startdate", "enddate", "idnumber")
    before = (job.source_id, *(first[name] for name in names))
    # A job stores the effective options.
    return asked == before and first["options"] == options.effective(request.options)


def original_request(job: DuplicationJob) -> dict[str, Any]:
    """Return the columns of CHANGEABLE as they were requested, before any approval changed them."""
    asked = {name: getattr(job, name) for name in CHANGEABLE}
    for event in job.events.filter(kind="approved").order_by("-id"):
        asked |= {name: _from_event(name, value) for name, value in event.data.get("before", {}).items()}
    return asked


def to_event(value: Any) -> Any:
    """Return the value of a column in the form in which an event stores it."""
    return value.isoformat() if isinstance(value, date) else value


def _from_event(name: str, value: Any) -> Any:
    """Return the value of a column from the form in which an event stores it."""
    return _READ_DATE[name](value) if value and name in _READ_DATE else value

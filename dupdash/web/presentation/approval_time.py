"""Computes how long requests usually wait for an approval."""

from datetime import timedelta
from statistics import median

from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.web.presentation.durations import roughly
from dupdash.web.safe_cache import cache_get, cache_set

# How many of the latest jobs are read, and how many of them must have been approved for a result.
CONSIDERED = 300
FEWEST = 3
FRESH_FOR = 600


def usual_approval_time() -> str:
    """The median wait of the latest approved requests, in words: "about 2 h"; "" while there are too few."""
    known = cache_get("approval-time")
    if not isinstance(known, str):
        known = _measure()
        cache_set("approval-time", known, FRESH_FOR)
    return known


def _measure() -> str:
    latest = DuplicationJob.objects.order_by("-created_at", "-id").values_list("pk", flat=True)[:CONSIDERED]
    approvals = JobEvent.objects.filter(job__in=list(latest), kind="approved").values_list("at", "job__created_at")
    waits = [(approved - requested).total_seconds() for approved, requested in approvals]
    return roughly(timedelta(seconds=median(waits))) if len(waits) >= FEWEST else ""


def decided_within() -> str:
    """A sentence for the requester about the usual wait; "" while it is unknown."""
    usual = usual_approval_time()
    return f"Requests are usually approved within {usual}." if usual else ""

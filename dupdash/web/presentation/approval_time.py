"""Computes within what time half of the recent requests were approved."""

from datetime import timedelta
from statistics import median

from dupdash.duplication.models import DuplicationJob, JobEvent
from dupdash.web.presentation.durations import roughly
from dupdash.web.safe_cache import cache_get, cache_set

# The number of latest jobs that are read, and the number of approvals among them that a result needs.
JOBS_MOST = 300
APPROVALS_LEAST = 3
FRESH_FOR = 600


def decided_within() -> str:
    """Return a sentence about the time within which half of the recent requests were approved; "" if it is unknown."""
    usual = cache_get("approval-time")
    if not isinstance(usual, str):
        usual = _measure()
        cache_set("approval-time", usual, FRESH_FOR)
    return f"Half of the recent requests were approved within {usual}." if usual else ""


def _measure() -> str:
    """Return how long the latest approved requests waited (median), such as "about 2 h"; "" if there are too few."""
    latest = DuplicationJob.objects.order_by("-created_at", "-id").values_list("pk", flat=True)[:JOBS_MOST]
    approvals = JobEvent.objects.filter(job__in=list(latest), kind="approved").values_list("at", "job__created_at")
    waits = [(approved - requested).total_seconds() for approved, requested in approvals]
    return roughly(timedelta(seconds=median(waits))) if len(waits) >= APPROVALS_LEAST else ""

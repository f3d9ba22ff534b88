"""Reads the stored health of the Moodle site from the database, once for each web request."""

from django.http import HttpRequest

from dupdash.duplication.models import MoodleHealth


def health_of(request: HttpRequest) -> MoodleHealth:
    """Return the stored health of the site; an empty one before the first contact with Moodle."""
    known: MoodleHealth | None = getattr(request, "_moodle_health", None)
    if known is None:
        known = MoodleHealth.last_known()
        request._moodle_health = known  # type: ignore[attr-defined]
    return known

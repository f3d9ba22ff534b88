"""What is known of the Moodle, read once for each request however many parts of a page ask."""

from django.http import HttpRequest

from dupdash.duplication.models import MoodleHealth


def health_of(request: HttpRequest) -> MoodleHealth:
    """The health of the Moodle; before anything was heard of it, that of one of which nothing is known."""
    known: MoodleHealth | None = getattr(request, "_moodle_health", None)
    if known is None:
        known = MoodleHealth.objects.filter(id=1).first() or MoodleHealth()
        request._moodle_health = known  # type: ignore[attr-defined]
    return known

"""Answers the poll of every open page: a new toast, and a changed banner."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from dupdash.notifications.toasts import toast_for
from dupdash.telemetry.counters import COUNTERS
from dupdash.web.context import banner_seen
from dupdash.web.responses import PersonRequest, no_content, partial


@require_safe
def news(request: PersonRequest) -> HttpResponse:
    """Answer the poll of every page: a new toast for this person, and the banner if it has changed.

    Most answers are empty. Each toast is sent once.
    """
    # Every open page polls this URL, so the counters of calls to Moodle are stored regularly.
    COUNTERS.write_if_due()
    told = toast_for(request.user)
    shown = request.GET.get("banner")
    changed = shown is not None and shown != banner_seen(request)
    response = partial(request, "components/_news_answer.html", {}) if changed else no_content()
    if told:
        trigger_client_event(response, "dupdash:toast", {"level": told.level, "text": told.text, "url": told.url})
    return response

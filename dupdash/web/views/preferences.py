"""Shows and saves a person's preferences, and answers the poll of every open page for a toast and a changed banner."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from dupdash.notifications.toasts import toast_for
from dupdash.telemetry.counters import COUNTERS
from dupdash.web.context import banner_seen
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.forms.preferences import PreferencesForm
from dupdash.web.responses import PersonRequest, no_content, partial, see_other


@require_safe_or_POST
def preferences(request: PersonRequest) -> HttpResponse:
    form = PreferencesForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_bound and form.is_valid():
        form.save()
        messages.success(request, "Your preferences are saved.")
        return see_other("preferences")
    context = {"form": form, "digest_hour": settings.DIGEST_HOUR}
    return render(request, "preferences/preferences.html", context, status=422 if form.is_bound else 200)


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

"""A person's preferences, and the news that every page polls: short messages and the banner."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import trigger_client_event

from dupdash.notifications.toasts import toast_for
from dupdash.telemetry.counters import COUNTERS
from dupdash.web.context import banner_seen
from dupdash.web.decorators import permission_required
from dupdash.web.forms.preferences import PreferencesForm
from dupdash.web.responses import PersonRequest, no_content, partial, see_other


@permission_required
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: PersonRequest) -> HttpResponse:
    form = PreferencesForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_bound and form.is_valid():
        form.save()
        messages.success(request, "Your preferences are saved.")
        return see_other("preferences")
    context = {"form": form, "digest_hour": settings.DIGEST_HOUR}
    return render(request, "preferences/preferences.html", context, status=422 if form.is_bound else 200)


@permission_required
@require_safe
def news(request: PersonRequest) -> HttpResponse:
    """Usually nothing; a short message, once for each person; and the banner if it differs from the one on the page."""
    # Every open page polls this address, so the calls to Moodle that this process made are stored soon.
    COUNTERS.write_if_due()
    told = toast_for(request.user)
    shown = request.GET.get("banner")
    changed = shown is not None and shown != banner_seen(request)
    response = partial(request, "components/_news_answer.html", {}) if changed else no_content()
    if told:
        trigger_client_event(response, "dupdash:toast", {"level": told.level, "text": told.text, "url": told.url})
    return response

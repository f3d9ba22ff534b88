"""Shows and saves a person's preferences."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.forms.preferences import PreferencesForm
from dupdash.web.responses import PersonRequest, see_other


@require_safe_or_POST
def preferences(request: PersonRequest) -> HttpResponse:
    form = PreferencesForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_bound and form.is_valid():
        form.save()
        messages.success(request, "Your preferences are saved.")
        return see_other("preferences")
    context = {"form": form, "digest_hour": settings.DIGEST_HOUR}
    return render(request, "preferences/preferences.html", context, status=422 if form.is_bound else 200)

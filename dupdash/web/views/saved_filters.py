"""Saves the filters of the list of copies under a name, and deletes them."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from dupdash.duplication.name_display import isolate
from dupdash.web.job_list.filters import ListForm
from dupdash.web.models import NAME_LONGEST, SavedFilter
from dupdash.web.responses import PersonRequest, see_other
from dupdash.web.undo import offer_undo
from dupdash.web.views.jobs import list_url

# The maximum number of filters that a person can save. A longer list would be hard to use.
SAVED_MOST = 30


@require_POST
def save_filter(request: PersonRequest) -> HttpResponse:
    """Save the current filters of the list under a name. A saved filter with the same name is replaced."""
    form = ListForm(request.POST, request.user)
    name = " ".join(request.POST.get("name", "").split())[:NAME_LONGEST]
    query = form.query().urlencode()
    own = SavedFilter.objects.filter(owner=request.user)
    if not name or not name.isprintable() or not form.is_valid() or not form.is_narrowed:
        messages.error(request, "Nothing was saved. Set a filter and enter a name for it.")
    elif own.exclude(name=name).count() >= SAVED_MOST:
        messages.error(request, f"You can save at most {SAVED_MOST} filters. Delete one first.")
    else:
        own.update_or_create(owner=request.user, name=name, defaults={"query": query})
        messages.success(request, f"The filter “{isolate(name)}” is saved.")
    return see_other(list_url(form))


@require_POST
def delete_filter(request: PersonRequest, filter_id: int) -> HttpResponse:
    saved = get_object_or_404(SavedFilter, pk=filter_id, owner=request.user)
    saved.delete()
    again = {**QueryDict(saved.query).dict(), "name": saved.name}
    offer_undo(request, f"The filter “{isolate(saved.name)}” is deleted.", reverse("jobs:save_filter"), again)
    return see_other("jobs:list")

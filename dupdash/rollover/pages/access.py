"""Restricts the pages of plans and batches to the people who may open them."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from dupdash.accounts import access
from dupdash.duplication.models import Batch
from dupdash.rollover.models import Plan
from dupdash.web.responses import PersonRequest

P = ParamSpec("P")


def visible_plans(user: User) -> QuerySet[Plan]:
    """Return the plans that this person may see: all or none, so that colleagues can finish each other's plans."""
    return Plan.objects.all() if access.may_roll_over(user) else Plan.objects.none()


def with_plan(
    view: Callable[Concatenate[PersonRequest, Plan, P], HttpResponseBase],
) -> Callable[Concatenate[PersonRequest, ...], HttpResponseBase]:
    """Pass the plan of the URL to the view, or answer 404 if this person may not see the plan."""

    @wraps(view)
    def wrapped(request: PersonRequest, /, plan_id: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        plan = get_object_or_404(visible_plans(request.user).select_related("batch", "owner"), pk=plan_id)
        return view(request, plan, *args, **kwargs)

    return wrapped


def with_batch(
    view: Callable[Concatenate[PersonRequest, Batch, P], HttpResponseBase],
) -> Callable[Concatenate[PersonRequest, ...], HttpResponseBase]:
    """Pass the batch of the URL to the view, or answer 404 if this person may not see the batch."""

    @wraps(view)
    def wrapped(request: PersonRequest, /, batch_id: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        batch = get_object_or_404(access.visible_batches(request.user).select_related("requester"), pk=batch_id)
        return view(request, batch, *args, **kwargs)

    return wrapped


def managers_only(
    view: Callable[Concatenate[PersonRequest, Batch, P], HttpResponseBase],
) -> Callable[Concatenate[PersonRequest, Batch, P], HttpResponseBase]:
    """Answer 403 unless this person may change the batch."""

    @wraps(view)
    def wrapped(request: PersonRequest, batch: Batch, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not access.may_manage_batch(request.user, batch):
            return HttpResponse(status=403)
        return view(request, batch, *args, **kwargs)

    return wrapped

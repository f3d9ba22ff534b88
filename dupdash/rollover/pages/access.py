"""The plans and batches that a person may open."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from dupdash.accounts import access
from dupdash.duplication.models import Batch
from dupdash.rollover.models import Plan
from dupdash.web.responses import PersonRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User

P = ParamSpec("P")


def visible_plans(user: "User") -> QuerySet[Plan]:
    """Those who may roll over see every plan: a colleague may finish what somebody began."""
    return Plan.objects.all() if access.may_roll_over(user) else Plan.objects.none()


def with_plan(
    view: Callable[Concatenate[PersonRequest, Plan, P], HttpResponseBase],
) -> Callable[Concatenate[PersonRequest, ...], HttpResponseBase]:
    """Give the view the plan that the address names."""

    @wraps(view)
    def wrapped(request: PersonRequest, /, plan_id: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        plan = get_object_or_404(visible_plans(request.user).select_related("batch", "owner"), pk=plan_id)
        return view(request, plan, *args, **kwargs)

    return wrapped


def with_batch(
    view: Callable[Concatenate[PersonRequest, Batch, P], HttpResponseBase],
) -> Callable[Concatenate[PersonRequest, ...], HttpResponseBase]:
    """Give the view the batch that the address names. Somebody else's batch does not exist."""

    @wraps(view)
    def wrapped(request: PersonRequest, /, batch_id: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        batch = get_object_or_404(access.visible_batches(request.user).select_related("requester"), pk=batch_id)
        return view(request, batch, *args, **kwargs)

    return wrapped


def managers_only(
    view: Callable[Concatenate[PersonRequest, Batch, P], HttpResponseBase],
) -> Callable[Concatenate[PersonRequest, Batch, P], HttpResponseBase]:
    """Let only those through who may change this batch; the others get a 403."""

    @wraps(view)
    def wrapped(request: PersonRequest, batch: Batch, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not access.may_manage_batch(request.user, batch):
            return HttpResponse(status=403)
        return view(request, batch, *args, **kwargs)

    return wrapped

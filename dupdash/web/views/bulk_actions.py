"""Retries or cancels several copies at once, after a confirmation, and shows the result."""

from collections.abc import Iterable
from dataclasses import asdict

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dupdash.accounts import access
from dupdash.accounts.access import Action
from dupdash.web.converters import is_job_id
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.job_list import bulk_changes
from dupdash.web.job_list.filters import ListForm
from dupdash.web.job_list.orders import Found
from dupdash.web.presentation.action_questions import after_cancelling_all
from dupdash.web.presentation.job_rows import rows
from dupdash.web.responses import PersonRequest, see_other
from dupdash.web.stored_moodle_health import health_of
from dupdash.web.views.jobs import list_url

# The session stores the result of the last bulk action under this key, for the page that shows it.
LAST_RESULT = "last_bulk_action"


@require_safe_or_POST
def bulk_action(request: PersonRequest) -> HttpResponse:
    """Ask for confirmation (GET), or retry or cancel exactly the jobs that the confirmation counted (POST)."""
    given = request.POST if request.method == "POST" else request.GET
    action = bulk_changes.ACTIONS.get(given.get("action", ""))
    form = ListForm(given, request.user)
    back = list_url(form)
    if action is None or action not in bulk_changes.offered(request.user):
        return see_other(back)
    visible = access.visible_jobs(request.user)
    if request.method == "POST":
        confirmed = visible.filter(pk__in=_ids(given.get("jobs", "").split())).select_related("requester", "assignee")
        chosen = [job for _, job in form.order.take(Found.all_of(confirmed), bulk_changes.CHANGES_MOST)]
        result = bulk_changes.do(chosen, action, request.user)
        request.session[LAST_RESULT] = {**asdict(result), "action": given["action"], "back": back}
        return see_other("jobs:bulk_result")
    if given.get("all") == "1":
        wanted, _ = form.found_and_counted()
    else:
        wanted = Found.all_of(visible.filter(pk__in=_ids(given.getlist("job"))))
    choice = bulk_changes.choose(wanted, form.order, action, request.user)
    if not choice.jobs and not choice.left_alone:
        messages.info(request, "No copy was selected. Select copies first, then choose what to do with them.")
        return see_other(back)
    context = {
        "action": given["action"],
        "danger": action == Action.CANCEL,
        "keep": _keep(action, len(choice.jobs)),
        "confirm": _confirm(action, len(choice.jobs)),
        "choice": choice,
        "consequence": after_cancelling_all(choice.jobs) if action == Action.CANCEL else "",
        "count": len(choice.jobs),
        "rows": rows(choice.jobs, health_of(request)),
        "sees_all": access.sees_all_jobs(request.user),
        "ids": " ".join(job.pk for job in choice.jobs),
        "kept": form.query(),
        "back": back,
    }
    return render(request, "jobs/bulk_action.html", context)


@require_safe
def bulk_result(request: PersonRequest) -> HttpResponse:
    """Show the result of the last bulk action. Reloading this page does not repeat the action."""
    result = request.session.get(LAST_RESULT)
    if result is None:
        return see_other("jobs:list")
    context = {
        "result": result,
        "refusals": bulk_changes.shown_refusals(result["refusals"], request.user),
        "back": result["back"],
    }
    return render(request, "jobs/bulk_result.html", context)


def _keep(action: Action, count: int) -> str:
    """Return the label of the button that leaves the page without changing anything."""
    if not count:
        return "Back to the copies"
    if action == Action.RETRY:
        return "Don’t try again"
    return "Keep the copy" if count == 1 else "Keep the copies"


def _confirm(action: Action, count: int) -> str:
    if not count:
        return ""
    if action == Action.RETRY:
        return f"Try {count} again"
    return f"Cancel {count} {'copy' if count == 1 else 'copies'}"


def _ids(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if is_job_id(text)]

"""Saves who follows up a failed job and a note about it, and marks the failure as resolved or open again."""

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from dupdash.duplication import follow_up
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.transitions_for_person import CannotDo
from dupdash.web.decorators import with_job
from dupdash.web.forms.follow_up import FollowUpForm
from dupdash.web.responses import PersonRequest, see_other
from dupdash.web.undo import offer_undo


@with_job
@require_POST
def follow_up_job(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    """Save the card "Follow-up" of a failed job. Its buttons can also mark the failure as resolved or open it again."""
    form = FollowUpForm(request.POST, job=job)
    if not form.is_valid():
        problems = [str(problem) for errors in form.errors.values() for problem in errors]
        messages.error(request, " ".join(["The follow-up was not saved.", *problems]))
        return see_other("jobs:job", job.pk)
    try:
        follow_up.assign(job, assignee=form.assignee, note=form.cleaned_data["note"], actor=request.user)
        if "resolve" in request.POST:
            follow_up.resolve(job, actor=request.user)
            offer_undo(
                request,
                "Resolved: this failure no longer needs attention.",
                f"{reverse('jobs:follow_up', args=[job.pk])}",
                {**form.cleaned_data, "reopen": "1"},
            )
        elif "reopen" in request.POST:
            follow_up.reopen(job, actor=request.user)
            messages.success(request, "This failure is open again.")
        else:
            messages.success(request, "The follow-up is saved.")
    except CannotDo as refusal:
        messages.error(request, str(refusal))
    return see_other("jobs:job", job.pk)

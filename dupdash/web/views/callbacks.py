"""Sets and tests the callback URL of an API token, and sends a callback of a job again."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from dupdash.accounts.models import ApiToken
from dupdash.callbacks import sender
from dupdash.callbacks.messages import secret_of
from dupdash.callbacks.models import Callback, CallbackDefault
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.request import as_id
from dupdash.web.decorators import require_safe_or_POST, with_job
from dupdash.web.forms.callbacks import CallbackForm
from dupdash.web.responses import PersonRequest, no_store, see_other


@require_safe_or_POST
def token_callback(request: PersonRequest, token_id: int) -> HttpResponse:
    """Show and change the callback URL of a token, and show the secret that signs its callbacks."""
    token = get_object_or_404(ApiToken.objects.usable(), pk=token_id, owner=request.user)
    current = CallbackDefault.objects.filter(token=token).first()
    form = CallbackForm(request.POST or None, initial={"address": current.address if current else ""})
    if request.method == "POST" and form.is_valid():
        url = form.cleaned_data["address"]
        if "test" in request.POST:
            form.test_result = sender.send_test(url, token) or "ok"
        else:
            _store(token, url)
            messages.success(request, f"The callback URL was {'saved' if url else 'removed'}.")
            return see_other("tokens")
    context = {"form": form, "token": token, "secret": secret_of(token)}
    return no_store(render(request, "callbacks/token.html", context, status=422 if form.errors else 200))


@with_job
@require_POST
def send_again(request: PersonRequest, job: DuplicationJob) -> HttpResponse:
    callback = get_object_or_404(Callback, pk=as_id(request.POST.get("callback", "")), job=job)
    sender.send_again(callback)
    messages.success(request, "The callback is sent again within a minute.")
    return see_other("jobs:job", job.pk)


def _store(token: ApiToken, url: str) -> None:
    if url:
        CallbackDefault.objects.update_or_create(token=token, defaults={"address": url})
    else:
        CallbackDefault.objects.filter(token=token).delete()

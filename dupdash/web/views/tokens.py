"""One's own API tokens: made, shown once, listed, revoked."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.duplication.text_direction import isolate
from dupdash.web.decorators import permission_required
from dupdash.web.forms.tokens import TokenForm
from dupdash.web.responses import PersonRequest, no_store, see_other

asks = require_http_methods(["GET", "HEAD", "POST"])


@permission_required
@asks
def own_tokens(request: PersonRequest) -> HttpResponse:
    """The list, and a form for one more. A new token is in the answer to the form, and nowhere else ever."""
    if request.method != "POST":
        return _page(request, TokenForm(owner=request.user))
    form = TokenForm(request.POST, owner=request.user)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        with transaction.atomic():
            token, text = tokens.make(request.user, form.cleaned_data["label"], days=form.cleaned_data["days"])
    except IntegrityError:
        form.add_error("label", "You made a token with this label at the same moment.")
        return _page(request, form, status=422)
    # Not "see other": a redirect would have to keep the token somewhere. A reload asks for the same label again,
    # and is refused.
    return _page(request, TokenForm(owner=request.user), made=token, text=text)


@permission_required
@asks
def revoke_token(request: PersonRequest, token_id: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=token_id, owner=request.user)
    if request.method != "POST":
        return render(request, "accounts/tokens_revoke.html", {"token": token, "crumbs": _crumbs()})
    if tokens.revoke(token):
        messages.success(request, f"“{isolate(token.label)}” is revoked: whoever uses it is refused from now on.")
    return see_other("tokens")


def _page(
    request: HttpRequest, form: TokenForm, *, made: ApiToken | None = None, text: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "tokens": ApiToken.objects.filter(owner=form.owner),
        "made": made,
        "text": text,
        "service_url": request.build_absolute_uri(reverse("webservice")),
    }
    return no_store(render(request, "accounts/tokens.html", context, status=status))


def _crumbs() -> list[dict[str, str]]:
    return [{"label": "API tokens", "url": reverse("tokens")}]

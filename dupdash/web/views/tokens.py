"""Lists, creates and revokes a person's own API tokens, and shows the documentation of the web services."""

from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dupdash.accounts import tokens
from dupdash.accounts.models import ApiToken
from dupdash.duplication.name_display import isolate
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.forms.tokens import TokenForm
from dupdash.web.responses import PersonRequest, no_store, see_other

# This cookie carries the text of a new token to the next page, which shows the text once and deletes the cookie.
# The server stores only a hash, and a URL with the text would end up in logs.
NEW_TOKEN = "new_token"  # noqa: S105 - the name of a cookie
SALT = "dupdash.new_token"
SHOWN_WITHIN = 60
DOCUMENTATION = settings.BASE_DIR / "docs" / "web-services.md"


@require_safe_or_POST
def own_tokens(request: PersonRequest) -> HttpResponse:
    """List the tokens, create one from the form, and show the text of a token that was just created."""
    if request.method != "POST":
        response = _page(request, TokenForm(owner=request.user), new=_new_token(request))
        response.delete_cookie(NEW_TOKEN, path=reverse("tokens"), samesite="Strict")
        return response
    form = TokenForm(request.POST, owner=request.user)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        with transaction.atomic():
            token, text = tokens.make(request.user, form.cleaned_data["label"], days=form.cleaned_data["days"])
    except IntegrityError:
        form.add_error("label", "You created a token with this purpose at the same moment. Enter another one.")
        return _page(request, form, status=422)
    return _see_new_token(request, token, text)


@require_safe_or_POST
def revoke_token(request: PersonRequest, token_id: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=token_id, owner=request.user)
    if request.method != "POST":
        return render(request, "accounts/tokens_revoke.html", {"token": token})
    if tokens.revoke(token):
        messages.success(request, f"“{isolate(token.label)}” is revoked. Programs that use it are refused from now on.")
    return see_other("tokens")


@require_safe
def documentation(request: PersonRequest) -> HttpResponse:
    """Show the documentation of the web services that belongs to this version of dupdash."""
    return HttpResponse(DOCUMENTATION.read_text(encoding="utf-8"), content_type="text/plain; charset=utf-8")


def _see_new_token(request: HttpRequest, token: ApiToken, text: str) -> HttpResponse:
    response = see_other("tokens")
    response.set_cookie(
        NEW_TOKEN,
        signing.dumps([token.pk, text], salt=SALT),
        max_age=SHOWN_WITHIN,
        path=reverse("tokens"),
        secure=request.is_secure(),
        httponly=True,
        samesite="Strict",
    )
    return no_store(response)


def _new_token(request: PersonRequest) -> dict[str, object]:
    """Return the token that this person created in the last SHOWN_WITHIN seconds, and its text, the secret string.

    The cookie contains the text, because the database does not. Returns an empty dictionary if there is no such token.
    """
    try:
        token_id, text = signing.loads(request.COOKIES.get(NEW_TOKEN, ""), salt=SALT, max_age=SHOWN_WITHIN)
    except (signing.BadSignature, TypeError, ValueError):
        return {}
    made = ApiToken.objects.filter(pk=token_id, owner=request.user, revoked_at__isnull=True).first()
    return {"made": made, "text": text} if made else {}


def _page(
    request: HttpRequest, form: TokenForm, *, status: int = 200, new: dict[str, object] | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "tokens": ApiToken.objects.filter(owner=form.owner),
        "service_url": request.build_absolute_uri(reverse("webservice")),
        **(new or {}),
    }
    return no_store(render(request, "accounts/tokens.html", context, status=status))

"""Sends people to a SAML identity provider, and signs them in with its answer, which is untrusted input."""

import logging
from collections.abc import Callable
from functools import wraps

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.sessions import LoginSession
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from dupdash.accounts import saml
from dupdash.accounts.audit import record
from dupdash.accounts.models import AuditKind
from dupdash.accounts.single_sign_on import SAML_PROVIDER, refusal
from dupdash.web.page_after_sign_in import wanted_page
from dupdash.web.responses import see_other

logger = logging.getLogger("dupdash.accounts")

# The longest answer that is read, in characters. Real answers have about 10,000.
ANSWER_LONGEST = 200_000
WRONG = "The sign-in did not work."

View = Callable[[HttpRequest], HttpResponse]


def _with_provider(view: View) -> View:
    """Wrap a view: answer 404 if SAML is not set up, and explain to the person if dupdash refuses an answer.

    The log and the audit log have the reason of the refusal.
    """

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if not settings.SAML_METADATA_FILE:
            raise Http404
        try:
            return view(request)
        except saml.Refused as reason:
            logger.warning("a single sign-on was refused: %s", reason)
            record(AuditKind.SIGN_IN_FAILED, subject=settings.SAML_NAME, detail=str(reason))
            return refusal(request, reason.advice, title=WRONG)

    return never_cache(wrapped)


@require_safe
@_with_provider
def start(request: HttpRequest) -> HttpResponse:
    """Send the person to the provider with a SAML request.

    The session keeps the id of this request, so that the provider's answer is accepted only once.
    """
    url, request_id = saml.request_to_provider()
    provider = get_adapter().get_provider(request, SAML_PROVIDER)
    provider.stash_redirect_state(request, AuthProcess.LOGIN, wanted_page(request), None, state_id=request_id)
    return HttpResponseRedirect(url)


@csrf_exempt
@require_POST
@_with_provider
def acs(request: HttpRequest) -> HttpResponse:
    """Store the provider's answer and redirect to ``finish``.

    The provider's site posts the answer, so browsers send no session cookie with it. They send the cookie with the next
    request, in which the answer is checked.
    """
    answer = request.POST.get("SAMLResponse", "")
    if not answer or len(answer) > ANSWER_LONGEST:
        raise saml.Refused("an answer without content, or too large")
    response = see_other("saml_finish")
    kept = LoginSession(request, "saml_acs_session", "saml-acs-session")
    kept.store["answer"] = answer
    kept.store.set_expiry(300)
    kept.save(response)
    return response


@require_safe
@_with_provider
def finish(request: HttpRequest) -> HttpResponse:
    """Check the stored answer, and sign the person in."""
    kept = LoginSession(request, "saml_acs_session", "saml-acs-session")
    text = kept.store.get("answer", "")
    kept.delete()
    if not text:
        raise saml.Refused("an answer without content")
    answer = saml.check(text)
    provider = get_adapter().get_provider(request, SAML_PROVIDER)
    try:
        state = provider.unstash_redirect_state(request, answer.request_id)
    except PermissionDenied:
        raise saml.Refused("this browser has not asked for this answer, or it was used already") from None
    login = provider.sociallogin_from_response(request, answer)
    login.state = state
    done: HttpResponse = complete_social_login(request, login)
    return done


@require_safe
@_with_provider
def metadata(request: HttpRequest) -> HttpResponse:
    return HttpResponse(saml.metadata(), content_type="application/samlmetadata+xml")

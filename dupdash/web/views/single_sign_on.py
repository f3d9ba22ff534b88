"""Sends people to the OpenID Connect or SAML provider, signs them in with its answer, and signs them out there."""

import logging
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from requests import RequestException

from dupdash.accounts.single_sign_on import PROVIDER, refusal
from dupdash.web.page_after_sign_in import wanted_page
from dupdash.web.responses import see_other
from dupdash.web.views import saml

logger = logging.getLogger("dupdash.accounts")

View = Callable[[HttpRequest], HttpResponse]
# The exceptions that django-allauth raises while it reads an invalid answer.
_BAD_ANSWER = (RequestException, LookupError, ValueError, TypeError, AttributeError)


def _with_provider(view: View) -> View:
    """Wrap a view: answer 404 if OpenID Connect is not set up.

    If the provider does not answer or its answer is invalid, answer 502 with advice. The log has the type of the error.
    """

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if not settings.OIDC_ISSUER:
            raise Http404
        try:
            return view(request)
        except _BAD_ANSWER as error:
            logger.error("the single sign-on provider cannot be used: %s", type(error).__name__)
            title = f"{settings.OIDC_NAME} cannot be used at the moment."
            return refusal(request, "Try again in a few minutes. Nothing was changed.", title=title, status=502)

    return never_cache(wrapped)


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Send the person to the provider. Of the query parameters only ``next`` is used."""
    return saml.start(request) if settings.SAML_METADATA_FILE else _start(request)


@_with_provider
def _start(request: HttpRequest) -> HttpResponse:
    wanted = wanted_page(request)
    provider = get_adapter().get_provider(request, PROVIDER)
    answer: HttpResponse = provider.redirect(request, process=AuthProcess.LOGIN, next_url=wanted)
    return answer


@_with_provider
def _callback(request: HttpRequest) -> HttpResponse:
    answer: HttpResponse = openid_connect.callback(request, PROVIDER)
    return answer


@require_safe
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sign in a person whom the provider sent back. A person who cancelled there sees the sign-in page."""
    if request.GET.get("error") == "access_denied":
        return see_other("login")
    return _callback(request)


@require_safe
@_with_provider
def sign_out(request: HttpRequest) -> HttpResponse:
    """Redirect to the provider's sign-out page or, if it has none, to the sign-in page.

    The person is already signed out of dupdash.
    """
    provider = get_adapter().get_provider(request, PROVIDER)
    config = provider.get_oauth2_adapter(request).openid_config
    url = config.get("end_session_endpoint")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return see_other("login")
    back = f"{settings.SITE_URL}{reverse('login')}"
    query = urlencode({"client_id": settings.OIDC_CLIENT_ID, "post_logout_redirect_uri": back})
    return HttpResponseRedirect(f"{url}{'&' if '?' in url else '?'}{query}")

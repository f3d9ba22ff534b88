"""Signs people in with OpenID Connect or SAML: finds or creates the account, and sets the roles.

django-allauth implements the protocol and calls these adapters. The settings name the provider, and the groups at the
provider that give each role.
"""

import logging
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import render

from dupdash.accounts import saml
from dupdash.accounts.access import Role
from dupdash.accounts.audit import record
from dupdash.accounts.claims import Person, Untrusted, person_of
from dupdash.accounts.models import AuditKind
from dupdash.accounts.sign_in_provider import provider_name

if TYPE_CHECKING:
    from django.http import HttpResponse

logger = logging.getLogger("dupdash.accounts")

PROVIDER, SAML_PROVIDER = "oidc", "saml"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Keeps django-allauth from adding messages and sending emails, because dupdash has its own."""

    def add_message(self, *arguments: Any, **more: Any) -> None:
        pass

    def send_mail(self, *arguments: Any, **more: Any) -> None:
        pass

    def send_notification_mail(self, *arguments: Any, **more: Any) -> None:
        pass

    def respond_user_inactive(self, request: HttpRequest, user: User) -> "HttpResponse":
        return refusal(request, "Your account in dupdash is inactive. Ask a course administrator.")


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        """Return the provider that the settings name, if they name one. Providers in the database are ignored."""
        if settings.SAML_METADATA_FILE:
            return [SocialApp(provider=SAML_PROVIDER, provider_id=SAML_PROVIDER, client_id=SAML_PROVIDER, settings={})]
        if not settings.OIDC_ISSUER:
            return []
        return [
            SocialApp(
                provider="openid_connect",
                provider_id=PROVIDER,
                name=settings.OIDC_NAME,
                client_id=settings.OIDC_CLIENT_ID,
                secret=settings.OIDC_CLIENT_SECRET,
                settings={
                    "server_url": settings.OIDC_ISSUER,
                    "oauth_pkce_enabled": True,
                    "scope": settings.OIDC_SCOPES,
                },
            )
        ]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find or create the account, and set its roles.

        django-allauth calls this after the provider has authenticated a person, before the person is signed in.
        """
        account = sociallogin.account
        try:
            is_saml = account.provider == SAML_PROVIDER
            person = person_of(saml.claims(account.extra_data) if is_saml else _claims(account.extra_data))
            # The claims are used now and are not stored.
            account.extra_data = {}
            sociallogin.email_addresses = []
            if not sociallogin.is_existing:
                sociallogin.user = _account_of(person) or User(username=_free_username(person.email))
        except Untrusted as reason:
            logger.warning("a single sign-on was refused: %s", reason)
            record(AuditKind.SIGN_IN_FAILED, subject=provider_name(), detail=str(reason))
            raise ImmediateHttpResponse(refusal(request, str(reason))) from None
        request.signed_in_by = provider_name()  # type: ignore[attr-defined]
        if sociallogin.user.pk is not None and not sociallogin.user.is_active:
            record(AuditKind.SIGN_IN_FAILED, subject=sociallogin.user.get_username(), detail="inactive account")
            return
        _save(sociallogin.user, account, person)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: Any = None,
    ) -> None:
        # The text of the exception is not logged, because an answer of the provider may contain a token.
        logger.warning("a single sign-on failed: %s", type(exception).__name__ if exception else error)
        record(AuditKind.SIGN_IN_FAILED, subject=settings.OIDC_NAME, detail="the provider’s answer was not accepted")
        text = "Try again. If it fails again, ask a course administrator."
        raise ImmediateHttpResponse(refusal(request, text, title="The sign-in did not work."))


def refusal(
    request: HttpRequest, text: str, *, title: str = "You cannot sign in.", status: int = 403
) -> "HttpResponse":
    return render(request, "registration/sso_refused.html", {"title": title, "text": text}, status=status)


def _claims(extra_data: dict[str, Any]) -> dict[str, object]:
    """Return the claims of the ID token and of the user information. Raises Untrusted unless both name one person."""
    token, info = extra_data.get("id_token"), extra_data.get("userinfo")
    if not isinstance(token, dict) or not isinstance(info, dict) or token.get("sub") != info.get("sub"):
        raise Untrusted("The answers of the sign-in service contradict each other. Ask a course administrator.")
    return {**token, **info}


def _account_of(person: Person) -> User | None:
    """Return the existing account with this verified email address, for example a local account; None without one.

    Raises Untrusted if several accounts have the address.
    """
    found = list(User.objects.filter(email__iexact=person.email)[:2])
    if len(found) > 1:
        raise Untrusted("Several accounts in dupdash have your email address. Ask a course administrator.")
    return found[0] if found else None


def _free_username(email: str) -> str:
    """Return the username for a new account: the email address.

    A username that people can choose at the provider could be the Moodle username of somebody else. Raises Untrusted if
    another account has this username.
    """
    if not User.objects.filter(username__iexact=email).exists():
        return email
    raise Untrusted(f"Another account in dupdash has the username {email}. Ask a course administrator.")


def _save(user: User, account: SocialAccount, person: Person) -> None:
    with transaction.atomic():
        if user.pk is None:
            user.set_unusable_password()
            logger.info("an account is made at the first single sign-on")
        user.email, user.first_name, user.last_name = person.email, person.first_name, person.last_name
        user.save()
        account.user = user
        account.save()
        if person.roles is not None:
            set_roles(user, person.roles)


def set_roles(user: User, roles: frozenset[Role]) -> None:
    """Give the account exactly these roles. Other groups of the account are kept."""
    names = {role.value for role in roles}
    have = set(user.groups.filter(name__in=[role.value for role in Role]).values_list("name", flat=True))
    user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in sorted(names - have)))
    user.groups.remove(*Group.objects.filter(name__in=have - names))
    user.__dict__.pop("_roles", None)

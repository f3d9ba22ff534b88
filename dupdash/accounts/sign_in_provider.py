"""Says which single sign-on provider the settings name, and whether a person signed in with this provider.

This module does not import django-allauth, which is installed only with a provider.
"""

from django.conf import settings
from django.http import HttpRequest

from dupdash.accounts.claims import rules

# django-allauth's session key. The session of a person who signed in with single sign-on has it.
_MARK = "account_authentication_methods"


def provider_name() -> str:
    """Return the configured name of the provider for the sign-in button; "" if no provider is configured."""
    if settings.OIDC_ISSUER:
        return str(settings.OIDC_NAME)
    return str(settings.SAML_NAME) if settings.SAML_METADATA_FILE else ""


def used_single_sign_on(request: HttpRequest) -> bool:
    """Return whether this person signed in with the provider, and not with a password in dupdash or Moodle."""
    return bool(provider_name()) and _MARK in request.session


def groups_give_roles(request: HttpRequest) -> bool:
    """Return whether the roles of this person are those of their groups at the provider."""
    return used_single_sign_on(request) and rules().give_roles

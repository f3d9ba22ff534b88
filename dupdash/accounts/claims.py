"""Reads the email address, names and groups of a person from the untrusted claims of a single sign-on provider."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from dupdash.accounts.access import Role

# The lengths of the columns of Django's user model.
NAME_LONGEST, EMAIL_LONGEST = 150, 150
NO_ADDRESS = (
    "Your university account has no email address that dupdash can use. "
    "Ask the IT support of your university to enter one."
)


class Untrusted(Exception):
    """The claims cannot be used to sign a person in. The message is shown to that person."""


@dataclass(frozen=True)
class Person:
    """A person as the provider describes them.

    ``roles`` is None if the settings map no groups to roles. Then administrators assign roles in Django's admin.
    """

    email: str
    first_name: str
    last_name: str
    roles: frozenset[Role] | None


@dataclass(frozen=True)
class Rules:
    """How to read the claims of the configured provider. ``groups``: the name of the claim with the groups."""

    trust_email: bool
    groups: str
    # The groups that give each role.
    roles: dict[Role, list[str]]

    @property
    def give_roles(self) -> bool:
        """Return whether groups give roles. Otherwise administrators assign the roles in Django's admin."""
        return any(self.roles.values())


def rules() -> Rules:
    """Return the rules from the settings of OpenID Connect or SAML, whichever is configured."""
    if settings.SAML_METADATA_FILE:
        return Rules(trust_email=True, groups="groups", roles=_groups_of_roles("SAML"))
    return Rules(settings.OIDC_TRUST_EMAIL, settings.OIDC_GROUPS_CLAIM, _groups_of_roles("OIDC"))


def _groups_of_roles(protocol: str) -> dict[Role, list[str]]:
    """Return the groups that give each role, from settings such as OIDC_ROLE_HELP_DESK."""
    return {role: getattr(settings, f"{protocol}_ROLE_{role.name}") for role in Role}


def person_of(claims: Mapping[str, object]) -> Person:
    """Return the person whom these claims describe. Raises Untrusted without a verified email address.

    dupdash finds the person's Moodle user by the email address, so the provider must have verified the address.
    """
    return Person(
        email=_email(claims),
        first_name=_text(claims.get("given_name")),
        last_name=_text(claims.get("family_name")) or _text(claims.get("name")),
        roles=_roles(claims),
    )


def _email(claims: Mapping[str, object]) -> str:
    email = claims.get("email")
    if not isinstance(email, str) or len(email) > EMAIL_LONGEST:
        raise Untrusted(NO_ADDRESS)
    try:
        validate_email(email)
    except ValidationError:
        raise Untrusted(NO_ADDRESS) from None
    verified = claims.get("email_verified")
    # Some providers send the text "true" instead of a boolean.
    if verified in (True, "true") or (verified is None and rules().trust_email):
        return email.lower()
    raise Untrusted(
        "The email address of your university account is not verified. "
        "Ask the IT support of your university to verify it."
    )


def _roles(claims: Mapping[str, object]) -> frozenset[Role] | None:
    how = rules()
    if not how.give_roles:
        return None
    groups = _groups(claims, how.groups)
    return frozenset(role for role, names in how.roles.items() if groups & set(names))


def _groups(claims: Mapping[str, object], name: str) -> set[str]:
    """Return the values of a claim. A name with dots also finds a nested claim, for example ``realm_access.roles``."""
    found: object = claims.get(name)
    if found is None and "." in name:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return {found}
    return {entry for entry in found if isinstance(entry, str)} if isinstance(found, list) else set()


def _text(value: object) -> str:
    """Return the claim as one line of at most NAME_LONGEST printable characters; "" if it is not a string."""
    if not isinstance(value, str):
        return ""
    return " ".join("".join(character for character in value if character.isprintable()).split())[:NAME_LONGEST]

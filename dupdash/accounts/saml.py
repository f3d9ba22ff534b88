"""SAML: reads the metadata of the identity provider, writes requests and checks the signed answers.

The packages of requirements-saml.txt are imported where they are used, because only installations with SAML have them.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

if TYPE_CHECKING:
    from onelogin.saml2.auth import OneLogin_Saml2_Auth

# Attributes under the names that identity providers use: Shibboleth (urn:oid:…), ADFS and Entra (http://…), plain.
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
ATTRIBUTES = {
    "email": ("urn:oid:0.9.2342.19200300.100.1.3", f"{_CLAIMS}emailaddress", "mail", "email"),
    "given_name": ("urn:oid:2.5.4.42", f"{_CLAIMS}givenname", "givenName"),
    "family_name": ("urn:oid:2.5.4.4", f"{_CLAIMS}surname", "sn"),
    "name": (
        "urn:oid:2.16.840.1.113730.3.1.241",
        "http://schemas.microsoft.com/identity/claims/displayname",
        "displayName",
    ),
}
# Attributes that permanently identify a person. Without them the NameID is used, or the email address if the NameID
# changes with each sign-in.
IDENTIFIERS = (
    "urn:oasis:names:tc:SAML:attribute:subject-id",
    "urn:oasis:names:tc:SAML:attribute:pairwise-id",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.13",
)
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"


class Refused(Exception):
    """The answer is not accepted. ``why`` is for the log and the audit page, ``advice`` is shown to the person."""

    def __init__(self, why: str, advice: str = "Try again. If it fails again, ask a course administrator.") -> None:
        super().__init__(why)
        self.advice = advice


@dataclass(frozen=True)
class Answer:
    """A checked answer of the provider, with the methods that django-allauth calls."""

    request_id: str
    attributes: dict[str, list[str]]
    name_id: str
    name_id_format: str

    def get_attributes(self) -> dict[str, list[str]]:
        return self.attributes

    def get_nameid(self) -> str:
        """Return the permanent identifier of this person at the provider; without one the email address, or "?"."""
        lasting = "" if self.name_id_format == TRANSIENT else self.name_id
        return _first(self.attributes, IDENTIFIERS) or lasting or _first(self.attributes, ATTRIBUTES["email"]) or "?"

    def get_nameid_format(self) -> str:
        return self.name_id_format


def request_to_provider() -> tuple[str, str]:
    """Return the URL to which the browser is redirected, and the id of the SAML request in that URL."""
    authentication = _authentication({})
    url: str = authentication.login(return_to="")
    return url, str(authentication.get_last_request_id())


def check(answer: str) -> Answer:
    """Check the signature, audience, recipient and time of an answer. Raises Refused."""
    authentication = _authentication({"SAMLResponse": answer})
    try:
        # The caller checks that this browser sent the request that is answered.
        authentication.process_response(request_id=None)
    except Exception as error:
        # Hostile XML can make a parser raise exceptions of many kinds.
        raise Refused(f"the answer cannot be read: {type(error).__name__}") from None
    if errors := authentication.get_errors():
        why = str(authentication.get_last_error_reason() or ", ".join(errors))
        if "timestamp" in why:
            raise Refused(why, "The sign-in took too long, or the clocks of the servers differ. Try again.")
        raise Refused(why)
    if not authentication.is_authenticated():
        raise Refused("the provider signed nobody in")
    request_id = authentication.get_last_response_in_response_to()
    if not request_id:
        raise Refused("the answer belongs to no request of dupdash", "Begin on the sign-in page of dupdash.")
    return Answer(
        request_id=str(request_id),
        attributes=authentication.get_attributes(),
        name_id=str(authentication.get_nameid() or ""),
        name_id_format=str(authentication.get_nameid_format() or ""),
    )


def claims(attributes: dict[str, list[str]]) -> dict[str, object]:
    """Return the attributes under their OpenID Connect names, so that other code treats both protocols alike.

    SAML does not say whether an email address is verified, so all addresses of the configured provider are trusted.
    """
    found: dict[str, object] = {"email_verified": True, "groups": attributes.get(settings.SAML_GROUPS_ATTRIBUTE, [])}
    for claim, names in ATTRIBUTES.items():
        if value := _first(attributes, names):
            found[claim] = value
    return found


def metadata() -> bytes:
    """Return dupdash's SAML metadata (XML), which the administrators of the provider need."""
    from onelogin.saml2.settings import OneLogin_Saml2_Settings

    text = OneLogin_Saml2_Settings(settings=_configuration(), sp_validation_only=True).get_sp_metadata()
    return text if isinstance(text, bytes) else str(text).encode()


def _first(attributes: dict[str, list[str]], names: tuple[str, ...]) -> str:
    return next((attributes[name][0] for name in names if attributes.get(name)), "")


def _authentication(form: dict[str, str]) -> "OneLogin_Saml2_Auth":
    from onelogin.saml2.auth import OneLogin_Saml2_Auth

    # The recipient comes from the settings, not from the request, so that a forged Host header cannot change it.
    here = urlsplit(settings.SITE_URL)
    request = {
        "https": "on" if here.scheme == "https" else "off",
        "http_host": here.netloc,
        "script_name": reverse("saml_acs"),
        "get_data": {},
        "post_data": form,
    }
    return OneLogin_Saml2_Auth(request, _configuration())


def _configuration() -> dict[str, Any]:
    file = Path(settings.SAML_METADATA_FILE)
    return {
        "strict": True,
        "idp": _provider(file, settings.SAML_ENTITY_ID, file.stat().st_mtime_ns),
        "sp": {
            "entityId": f"{settings.SITE_URL}{reverse('saml_metadata')}",
            "assertionConsumerService": {"url": f"{settings.SITE_URL}{reverse('saml_acs')}", "binding": POST},
        },
        # A signature is always required, of the assertion or of the whole answer.
        "security": {
            "rejectDeprecatedAlgorithm": True,
            "requestedAuthnContext": False,
            "wantNameId": False,
            "allowSingleLabelDomains": True,
        },
    }


@lru_cache(maxsize=4)
def _provider(file: Path, entity_id: str, changed: int) -> dict[str, Any]:
    """Return the provider described in the metadata file. ``changed``: the time of the file's last change, in ns.

    The result is cached by this time, so that a changed file is read again.
    """
    from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser

    parsed = OneLogin_Saml2_IdPMetadataParser.parse(file.read_text(), entity_id=entity_id or None)
    return dict(parsed["idp"])

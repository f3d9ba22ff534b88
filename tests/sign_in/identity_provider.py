"""Runs a SAML identity provider that answers over HTTP with signed assertions, or with invalid ones on request."""

import base64
import html
import threading
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from onelogin.saml2.utils import OneLogin_Saml2_Utils

MAIL, GIVEN, FAMILY = "urn:oid:0.9.2342.19200300.100.1.3", "urn:oid:2.5.4.42", "urn:oid:2.5.4.4"
AFFILIATION = "urn:oid:1.3.6.1.4.1.5923.1.1.1.1"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
FAY = {MAIL: ["faculty@example.edu"], GIVEN: ["Fay"], FAMILY: ["Faculty"], AFFILIATION: ["staff", "teacher"]}


@dataclass(frozen=True)
class Key:
    private: str
    certificate: str

    @classmethod
    def new(cls) -> "Key":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Campus Login")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return cls(secret.decode(), certificate.public_bytes(pem).decode())


@dataclass
class Lies:
    """The ways in which an answer differs from a valid one."""

    unsigned: bool = False
    key: Key | None = None
    audience: str = ""
    recipient: str = ""
    age: timedelta = timedelta(0)
    unasked: bool = False
    after_signing: tuple[str, str] = ("", "")


@dataclass
class IdentityProvider:
    url: str
    key: Key = field(default_factory=Key.new)
    attributes: dict[str, list[str]] = field(default_factory=lambda: dict(FAY))
    lies: Lies = field(default_factory=Lies)

    def metadata(self) -> str:
        body = "".join(self.key.certificate.strip().splitlines()[1:-1])
        return f"""<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{self.url}">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
<ds:X509Certificate>{body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{self.url}/sso"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""

    def answer(self, request: str) -> tuple[str, str]:
        """Return the URL to which the provider's form is sent, and the answer in the form."""
        asked = ElementTree.fromstring(zlib.decompress(base64.b64decode(request), -15))
        there = asked.attrib["AssertionConsumerServiceURL"]
        issuer = asked.find("{urn:oasis:names:tc:SAML:2.0:assertion}Issuer")
        assert issuer is not None
        return there, self.response(asked.attrib["ID"], there, str(issuer.text))

    def response(self, request_id: str, there: str, audience: str) -> str:
        lies = self.lies
        now = datetime.now(UTC) - lies.age
        at, until = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (now, now + timedelta(minutes=5)))
        to = "" if lies.unasked else f'InResponseTo="{request_id}"'
        recipient = lies.recipient or there
        values = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{html.escape(value)}</saml:AttributeValue>" for value in given)
            + "</saml:Attribute>"
            for name, given in self.attributes.items()
        )
        assertion = f"""<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_{uuid.uuid4().hex}"
 Version="2.0" IssueInstant="{at}"><saml:Issuer>{self.url}</saml:Issuer><saml:Subject>
<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">_{uuid.uuid4().hex}</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<saml:SubjectConfirmationData NotOnOrAfter="{until}" Recipient="{recipient}" {to}/></saml:SubjectConfirmation>
</saml:Subject><saml:Conditions NotBefore="{at}" NotOnOrAfter="{until}"><saml:AudienceRestriction>
<saml:Audience>{lies.audience or audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{at}" SessionIndex="1"><saml:AuthnContext>
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>
</saml:AuthnContext></saml:AuthnStatement>
<saml:AttributeStatement>{values}</saml:AttributeStatement></saml:Assertion>"""
        if not lies.unsigned:
            key = lies.key or self.key
            signed = OneLogin_Saml2_Utils.add_sign(assertion, key.private, key.certificate, sign_algorithm=RSA_SHA256)
            assertion = signed.decode() if isinstance(signed, bytes) else signed
        text = f"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
 xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_{uuid.uuid4().hex}" Version="2.0" IssueInstant="{at}"
 Destination="{recipient}" {to}><saml:Issuer>{self.url}</saml:Issuer><samlp:Status>
<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{assertion}</samlp:Response>"""
        before, after = lies.after_signing
        return base64.b64encode((text.replace(before, after) if before else text).encode()).decode()

    def page(self, query: str) -> str:
        there, answer = self.answer(parse_qs(query)["SAMLRequest"][0])
        return (
            f'<!doctype html><title>Campus Login</title><h1>Campus Login</h1><form method="post" action="{there}">'
            f'<input type="hidden" name="SAMLResponse" value="{answer}"><button>Sign in as Fay</button></form>'
        )

    def asked(self, browser: Client, wanted: str = "/") -> str:
        """Start the sign-in at dupdash. Returns the answer that the provider's page sends back."""
        start = browser.get("/sign-in/sso/", {"next": wanted})
        assert start.status_code == 302, start.content
        page = requests.get(start["Location"], timeout=10).text
        return html.unescape(page.split('name="SAMLResponse" value="')[1].split('"')[0])

    def sign_in(self, browser: Client, wanted: str = "/") -> object:
        """Sign in through the provider. Returns dupdash's answer to the browser that comes back."""
        return send(browser, self.asked(browser, wanted))


def send(browser: Client, answer: str) -> object:
    """Send an answer like the form on the provider's page, and follow the redirect to the view that checks it."""
    taken = browser.post("/sign-in/saml/acs/", {"SAMLResponse": answer})
    return browser.get(taken["Location"]) if taken.status_code == 303 else taken


@contextmanager
def identity_provider(folder: Path) -> Iterator[IdentityProvider]:
    """Run a provider with its metadata in a file of the folder."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = campus.page(urlsplit(self.path).query).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # For a browser this is another site than the live server (localhost), so it sends no cookies with the form.
    campus = IdentityProvider(f"http://127.0.0.1:{server.server_port}")
    (folder / "metadata.xml").write_text(campus.metadata())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield campus
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Runs a real OpenID Connect provider in a thread, and signs people in there over HTTP."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from django.test import Client

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import oidc_provider_mock

SUB = "u-17"
FAY = {
    "email": "faculty@example.edu",
    "email_verified": True,
    "given_name": "Fay",
    "family_name": "Faculty",
    "groups": ["staff", "CN=Teachers,OU=Biology"],
}


class Provider:
    def __init__(self, url: str) -> None:
        self.url = url

    def knows(self, sub: str = SUB, **claims: Any) -> None:
        requests.put(f"{self.url}/users/{sub}", json=FAY | claims, timeout=10).raise_for_status()

    def authorize(self, address: str, sub: str = SUB, **more: str) -> str:
        """Sign in at the provider's page. Returns the URL to which it redirects the browser."""
        answer = requests.post(address, data={"sub": sub, **more}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def sign_in(self, browser: Client, wanted: str = "/", sub: str = SUB) -> Any:
        """Sign in through the provider. Returns dupdash's answer to the browser that comes back."""
        start = browser.get("/sign-in/sso/", {"next": wanted})
        assert start.status_code == 302, start.content
        back = urlsplit(self.authorize(start["Location"], sub))
        return browser.get(f"{back.path}?{back.query}")


@contextmanager
def provider() -> Iterator[Provider]:
    with oidc_provider_mock.run_server_in_thread() as server:
        yield Provider(f"http://localhost:{server.server_port}")

"""Fixtures for tests of the sign-in: a running worker, and an OpenID Connect provider."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.gateway.conftest import _fresh_counts, calls_as  # noqa: F401 - fixtures
from tests.sign_in.provider import Provider
from tests.sign_in.provider import provider as running_provider


@pytest.fixture(autouse=True)
def _worker(worker_heartbeat: None) -> None: ...


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    """A configured provider, at which the person Fay has an account."""
    with running_provider() as running:
        settings.OIDC_ISSUER, settings.OIDC_NAME = running.url, "Campus Login"
        running.knows()
        yield running

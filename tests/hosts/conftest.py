"""Skips these tests unless the test suite runs on PostgreSQL, because they start their own servers."""

import pytest
from django.conf import settings


@pytest.fixture(scope="session")
def only_on_postgresql() -> None:
    if not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        pytest.skip("several hosts share a PostgreSQL")

"""Runs only where the suite runs on PostgreSQL: the servers of these tests are their own, and are not always there."""

import pytest
from django.conf import settings


@pytest.fixture(scope="session")
def only_on_postgresql() -> None:
    if not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        pytest.skip("several hosts share a PostgreSQL")

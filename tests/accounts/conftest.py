"""Fixtures for tests of accounts and API tokens."""

from tests.gateway.conftest import _fresh_counts, calls_as, clock, moodle  # noqa: F401 - fixtures

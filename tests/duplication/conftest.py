"""Fixtures for tests of jobs and of the engine."""

from tests.duplication.fixtures import client_of, clock, complete_timelines, moodle  # noqa: F401 - fixtures
from tests.duplication.installation import installation  # noqa: F401 - a fixture

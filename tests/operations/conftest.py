"""Uses the fixtures of the engine's tests: a sandbox and its settings."""

from tests.duplication.fixtures import clock, moodle  # noqa: F401 - fixtures

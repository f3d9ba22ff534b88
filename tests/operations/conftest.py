"""A Moodle and its settings, as the tests of the engine have them."""

from tests.duplication.fixtures import clock, moodle  # noqa: F401 - fixtures

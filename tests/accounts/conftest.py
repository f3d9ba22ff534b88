from tests.gateway.conftest import (  # noqa: F401 - fixtures
    _fresh_counts,
    administrator,
    calls_as,
    clock,
    colleague,
    faculty,
    help_desk,
    moodle,
    outsider,
)

from tests.duplication.fixtures import (  # noqa: F401 - fixtures
    administrator,
    client_of,
    clock,
    colleague,
    faculty,
    help_desk,
    moodle,
    outsider,
    whole_stories,
)
from tests.duplication.installation import installation, template  # noqa: F401 - fixtures

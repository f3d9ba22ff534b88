from tests.duplication.fixtures import client_of, clock, moodle, whole_stories  # noqa: F401 - fixtures
from tests.duplication.installation import installation, template  # noqa: F401 - fixtures

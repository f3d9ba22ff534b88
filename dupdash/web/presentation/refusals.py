"""Why something could not be done, in plain words, and no more of it than is for this person."""

from typing import TYPE_CHECKING

from dupdash.accounts import access
from dupdash.duplication.request import InvalidRequest
from dupdash.moodle.errors import ConfigurationFault, MoodleError

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def words_of_problems(invalid: InvalidRequest, user: "User") -> str:
    in_full = access.sees_all_jobs(user)
    return " ".join(problem.words(in_full=in_full) for problem in invalid.problems)


def words_of_error(error: MoodleError, user: "User") -> str:
    """What is wrong with the connection is for those who can put it right."""
    if isinstance(error, ConfigurationFault) and not access.is_administrator(user):
        return "The connection to Moodle has to be put right first. Tell a course administrator."
    return str(error)

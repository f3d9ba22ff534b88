"""Returns the names of people as pages, mails and files show them."""

from django.contrib.auth.models import User

ITSELF = "dupdash"
COMMAND_LINE = "the command line"


def name_of(person: User | None, nobody: str = ITSELF) -> str:
    return (person.get_full_name() or person.get_username()) if person else nobody

"""Returns the names of people as pages, emails and files show them."""

from django.contrib.auth.models import User

ITSELF = "dupdash"
COMMAND_LINE = "the command line"


def name_of(person: User | None, nobody: str = ITSELF) -> str:
    return display_name(person.first_name, person.last_name, person.username) if person else nobody


def display_name(first_name: str, last_name: str, username: str) -> str:
    """Return the full name of a person, or the username if the person has no full name."""
    return f"{first_name} {last_name}".strip() or username

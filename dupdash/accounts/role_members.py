"""Lists the people of a role."""

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from dupdash.accounts.access import Role
from dupdash.duplication.person_names import name_of


def administrators() -> QuerySet[User]:
    return _administrators_and(())


def people_who_see_all_jobs() -> QuerySet[User]:
    """Return the administrators and the help desk people."""
    return _administrators_and((Role.HELP_DESK,))


def _administrators_and(others: tuple[Role, ...]) -> QuerySet[User]:
    """Return the administrators, who include all superusers, and the people with one of the other roles."""
    members = User.objects.filter(groups__name__in=[Role.ADMINISTRATOR, *others]).values("pk")
    return User.objects.filter(Q(pk__in=members) | Q(is_superuser=True))


def possible_assignees() -> list[User]:
    """Return the people to whom failures can be assigned: the active people who see all jobs, sorted by name."""
    people = people_who_see_all_jobs().filter(is_active=True)
    return sorted(people, key=lambda person: name_of(person).casefold())

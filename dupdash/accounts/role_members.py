"""Lists the people of a role."""

from django.contrib.auth.models import User
from django.db.models import Q

from dupdash.accounts.access import Role


def people_who_see_all_jobs() -> list[User]:
    """Return the active administrators and help desk people, sorted by name."""
    names = (Role.ADMINISTRATOR.value, Role.HELP_DESK.value)
    people = User.objects.filter(Q(groups__name__in=names) | Q(is_superuser=True), is_active=True).distinct()
    return sorted(people, key=lambda person: (person.get_full_name() or person.get_username()).casefold())

"""``manage.py demo_users``: creates the three people of the demonstration, who also exist in the sandbox."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from dupdash.sandbox.accounts import PASSWORD
from dupdash.sandbox.seed import university

# Usernames and their groups.
PEOPLE = {
    "admin": "Course administrators",
    "faculty": "Faculty",
    "helpdesk": "Help desk",
}


class Command(BaseCommand):
    help = "Creates an administrator, a faculty member and a help-desk member with the sandbox’s password."

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        # The password is public, so these accounts must not exist next to accounts of real people.
        if users.exclude(username__in=PEOPLE).exists():
            raise CommandError(
                "The database has other users. Create the people of the demonstration only in an empty database."
            )
        known = {user.username: user for user in university("university").users}
        for username, group in PEOPLE.items():
            person = known[username]
            # dupdash finds a person and their courses in Moodle by the email address.
            user, _ = users.update_or_create(
                username=username,
                defaults={
                    "first_name": person.firstname,
                    "last_name": person.lastname,
                    "email": person.email,
                    "is_staff": username == "admin",
                    "is_superuser": username == "admin",
                },
            )
            user.set_password(PASSWORD)
            user.save()
            user.groups.set([Group.objects.get(name=group)])
            name = f"{person.firstname} {person.lastname}"
            self.stdout.write(f"  {username:<10} {PASSWORD}   {name} ({group})")

"""``manage.py demo_users``: the three people of the demonstration, whom the sandbox's Moodle knows too."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from dupdash.sandbox.accounts import PASSWORD
from dupdash.sandbox.seed import university

# Username, and the group that makes this person what they are in dupdash.
PEOPLE = {
    "admin": "Course administrators",
    "faculty": "Faculty",
    "helpdesk": "Help desk",
}


class Command(BaseCommand):
    help = "Makes an administrator, a faculty member and a help-desk member, all with the sandbox's password."

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        # Their password is public, so they must not come into being beside real people.
        if users.exclude(username__in=PEOPLE).exists():
            raise CommandError("There are people here already. The demonstration's are for an empty database only.")
        known = {user.username: user for user in university("university").users}
        for username, group in PEOPLE.items():
            person = known[username]
            # The e-mail address is what finds a person in Moodle, and with it the courses they teach.
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

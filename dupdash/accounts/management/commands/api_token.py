"""``manage.py api_token``: creates, lists and revokes API tokens."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from dupdash.accounts import tokens
from dupdash.accounts.models import LABEL_LONGEST, ApiToken


class Command(BaseCommand):
    help = "Creates, lists and revokes API tokens. A token has the permissions of its owner."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="create a token; it is printed once and not stored")
        create.add_argument("user", metavar="USER", help="the username of the owner")
        create.add_argument("--label", required=True, help="what the token is for; shown with the jobs it requests")
        create.add_argument(
            "--days",
            type=int,
            default=tokens.DAYS_DEFAULT,
            help=f"validity in days (default: {tokens.DAYS_DEFAULT})",
        )
        listing = actions.add_parser("list", help="list the tokens, without their secret text")
        listing.add_argument("user", metavar="USER", nargs="?", help="only tokens of this user")
        revoke = actions.add_parser("revoke", help="revoke a token immediately")
        revoke.add_argument("id", metavar="ID", type=int, help="the number that “list” prints")

    def handle(self, *args: Any, **options: Any) -> None:
        actions = {"create": self._create, "list": self._list, "revoke": self._revoke}
        actions[options["action"]](options)

    def _create(self, options: dict[str, Any]) -> None:
        label, days = options["label"].strip(), options["days"]
        if not label or len(label) > LABEL_LONGEST or not label.isprintable():
            raise CommandError(f"--label must be one line of 1 to {LABEL_LONGEST} characters.", returncode=2)
        if not 1 <= days <= tokens.DAYS_MOST:
            raise CommandError(f"--days must be a number from 1 to {tokens.DAYS_MOST}.", returncode=2)
        owner = self._owner(options["user"])
        if not owner.is_active:
            raise CommandError(f"{owner} is an inactive account and could not use a token.", returncode=2)
        try:
            with transaction.atomic():
                token, text = tokens.make(owner, label, days=days)
        except IntegrityError:
            raise CommandError(f"{owner} has a token with the label “{label}”. Revoke it first.") from None
        # Standard output contains only the token, so that this works: TOKEN=$(manage.py api_token create …)
        self.stderr.write(f"Token {token.pk} of {owner}, valid until {token.expires_at:%Y-%m-%d}. Shown only once:")
        self.stdout.write(text)

    def _list(self, options: dict[str, Any]) -> None:
        found = ApiToken.objects.select_related("owner")
        if options["user"]:
            found = found.filter(owner=self._owner(options["user"]))
        for token in found:
            used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
            self.stdout.write(
                f"{token.pk:>5}  {token.status:<8} {token.owner}: {token.label}"
                f"  (until {token.expires_at:%Y-%m-%d}, last used {used})"
            )

    def _revoke(self, options: dict[str, Any]) -> None:
        token = ApiToken.objects.filter(pk=options["id"]).first()
        if token is None:
            raise CommandError(f"There is no token {options['id']}. “api_token list” prints the numbers.")
        if not tokens.revoke(token):
            raise CommandError(f"Token {token.pk} is already revoked.")
        self.stdout.write(f"Token {token.pk}, “{token.label}” of {token.owner}, is revoked.")

    def _owner(self, username: str) -> Any:
        owner = get_user_model().objects.filter(username=username).first()
        if owner is None:
            raise CommandError(f"There is no user {username}.", returncode=2)
        return owner

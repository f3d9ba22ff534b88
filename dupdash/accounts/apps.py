"""Connects the signal handlers of accounts when Django starts."""

from django.apps import AppConfig, apps


class AccountsConfig(AppConfig):
    name = "dupdash.accounts"

    def ready(self) -> None:
        from dupdash.accounts import audited_changes, deactivation

        deactivation.connect()
        audited_changes.connect()
        if apps.is_installed("allauth"):
            self._hide_from_admin()

    def _hide_from_admin(self) -> None:
        """Remove django-allauth's models from Django's admin, except the links between accounts and the provider."""
        from allauth.account.models import EmailAddress
        from allauth.socialaccount.models import SocialApp, SocialToken
        from django.contrib import admin

        for model in (EmailAddress, SocialApp, SocialToken):
            if admin.site.is_registered(model):
                admin.site.unregister(model)

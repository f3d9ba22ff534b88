from django.apps import AppConfig


class DuplicationConfig(AppConfig):
    name = "dupdash.duplication"
    label = "duplication"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from dupdash.duplication import lifeline

        lifeline.hold_if_supervised()

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "dupdash.sandbox"
    label = "sandbox"

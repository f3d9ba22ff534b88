from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "dupdash.operations"
    label = "operations"

"""Connects signal handlers and the search index when Django starts, and lets a process end with its supervisor."""

from django.apps import AppConfig


class DuplicationConfig(AppConfig):
    name = "dupdash.duplication"

    def ready(self) -> None:
        from dupdash.duplication import requester_names, search_index
        from dupdash.duplication.queue import orphan_guard

        orphan_guard.end_with_supervisor()
        search_index.connect(self)
        requester_names.connect()

"""When Django starts: connects signal handlers and the search index, and ends a worker if its supervisor dies."""

from django.apps import AppConfig


class DuplicationConfig(AppConfig):
    name = "dupdash.duplication"

    def ready(self) -> None:
        from dupdash.duplication import requester_names, search_index
        from dupdash.duplication.queue import orphan_guard

        orphan_guard.end_with_supervisor()
        search_index.connect(self)
        requester_names.connect()

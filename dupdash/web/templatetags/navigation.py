"""The template filter that selects the navigation entries of the list "More"."""

from collections.abc import Iterable

from django import template

from dupdash.web.context import Entry

register = template.Library()


@register.filter
def secondary(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries behind "More"."""
    return [entry for entry in entries if entry.secondary]

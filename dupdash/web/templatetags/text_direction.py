"""Names in attributes and titles, where no <bdi> can stand."""

from django import template

from dupdash.duplication.text_direction import isolate

register = template.Library()


@register.filter
def isolated(name: object) -> str:
    """The name, kept in its place within a sentence of another direction."""
    return isolate(name)

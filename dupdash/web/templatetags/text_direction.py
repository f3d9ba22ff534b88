"""Names from outside: in one language, and isolated where no <bdi> can stand (attributes and titles)."""

from django import template

from dupdash.duplication.text_direction import in_one_language, isolate

register = template.Library()


@register.filter
def isolated(name: object) -> str:
    """The name, kept in its place within a sentence of another direction."""
    return isolate(name)


@register.filter
def one_language(name: object) -> str:
    """The name of a course or a category in the language of the page, or in the first that it has."""
    return in_one_language(name)

"""Template filters that show a name in one language.

They also keep a right-to-left name from reordering the text around it in attributes and page titles, where <bdi> cannot
be used.
"""

from django import template

from dupdash.duplication.name_display import in_one_language, isolate

register = template.Library()


@register.filter
def isolated(name: object) -> str:
    """Return the name in one language, without direction controls.

    If it has right-to-left text, isolating characters keep it from reordering the sentence around it.
    """
    return isolate(name)


@register.filter
def one_language(name: object) -> str:
    """Return the name of a course or a category in the language of the page, or in the first that it has."""
    return in_one_language(name)

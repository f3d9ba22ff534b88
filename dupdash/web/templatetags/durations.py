"""The template filter that formats durations."""

from datetime import timedelta

from django import template

from dupdash.web.presentation.durations import roughly

register = template.Library()


@register.filter
def about(seconds: float) -> str:
    """Return an expected number of seconds in words: "about 4 min"."""
    return roughly(timedelta(seconds=seconds))

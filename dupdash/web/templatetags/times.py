"""The template tags for times in browsers without scripts. times.js replaces them with the viewer's own format.

Relative times and dates have the same words as in times.js, so that the page does not move when scripts start.
"""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.formats import date_format

register = template.Library()

A_WEEK = timedelta(days=7)
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))
FORMATS = {"date": "j M Y", "exact": "j M Y, H:i:s T"}


@register.filter
def shown_time(when: datetime, style: str) -> str:
    """Return the time in a style of ``components/_time.html``; with the zone unless it is relative or a date."""
    if (style or "relative") == "relative":
        return _relative(when)
    return date_format(timezone.localtime(when), FORMATS.get(style, "j M Y, H:i T"))


def _relative(when: datetime) -> str:
    seconds = (when - timezone.now()).total_seconds()
    if abs(seconds) > A_WEEK.total_seconds():
        return date_format(timezone.localtime(when), "j M Y")
    for unit, length in UNITS:
        count = int(abs(seconds) // length)
        if count:
            return _counted(count, unit, future=seconds > 0)
    return "in a moment" if seconds > 0 else "just now"


def _counted(count: int, unit: str, *, future: bool) -> str:
    if unit == "day" and count == 1:
        return "tomorrow" if future else "yesterday"
    words = f"{count} {unit}{'s' if count > 1 else ''}"
    return f"in {words}" if future else f"{words} ago"

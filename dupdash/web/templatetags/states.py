"""The template filters for the labels and icons of job states."""

from django import template

from dupdash.web.presentation.shown_state import ICONS, LABELS

register = template.Library()


@register.filter
def state_label(state: str) -> str:
    """Return the label of a state, as shown in a badge: "Awaiting approval"."""
    return LABELS[state]


@register.filter
def state_icon(state: str) -> str:
    return ICONS.get(state, state)

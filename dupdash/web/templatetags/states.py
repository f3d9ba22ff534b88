"""Labels of job states in templates."""

from django import template

from dupdash.duplication.states import State

register = template.Library()

# A queued job whose start time is in the future is shown as scheduled. It is no state of the engine.
SCHEDULED = "scheduled"


@register.filter
def state_label(state: str) -> str:
    """The label of a state, as shown in a badge: "Awaiting approval"."""
    return "Scheduled" if state == SCHEDULED else str(State(state).label)

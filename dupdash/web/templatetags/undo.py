"""The template filter for the undo button of a message."""

from django import template
from django.contrib.messages.storage.base import Message

from dupdash.web.undo import Undo, undo_of

register = template.Library()


@register.filter
def undo(message: Message) -> Undo | None:
    return undo_of(message.extra_tags)

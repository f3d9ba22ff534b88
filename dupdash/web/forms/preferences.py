"""The form for a person's preferences: notifications, the key for the search, and the time zone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.forms import BoundField

from dupdash.accounts import access
from dupdash.notifications.models import Preferences
from dupdash.notifications.preferences import others_topics, own_topics, preferences_of, wants_figures
from dupdash.notifications.topics import Topic, When
from dupdash.web.forms.field_choices import set_choices
from dupdash.web.forms.plain_select import PlainSelect
from dupdash.web.forms.zones import zone_choices

OWN, OTHERS = "own", "others"
WHOSE = {OWN: "your own copies", OTHERS: "copies of others"}

# Label and help text of each topic, in the order in which a job reaches them.
TOPIC_TEXTS: dict[Topic, tuple[str, str]] = {
    Topic.REQUESTED: ("Requested", "A confirmation of each request."),
    Topic.APPROVAL: ("Needs approval", "A course administrator must approve or refuse it."),
    Topic.APPROVED: ("Approved", "The copy starts automatically."),
    Topic.REFUSED: ("Refused", "With the reason."),
    Topic.SUCCEEDED: ("Complete", "The new course is ready."),
    Topic.FAILED: ("Failed", "With the cause and what to do."),
    Topic.UNRESOLVED: ("Unresolved", "dupdash could not determine whether it was made."),
    Topic.CANCELLED: ("Cancelled", "By another person."),
}


@dataclass(frozen=True)
class Row:
    """A row of the notification table: a topic, with one choice for own copies and one for copies of other people."""

    label: str
    help: str
    own: BoundField | None
    others: BoundField | None


class PreferencesForm(forms.Form):
    figures = forms.BooleanField(
        required=False,
        label="Send me the daily figures",
        help_text="Copies made, failures with their causes, unresolved copies and requests that need approval. "
        "No email is sent on a day without news.",
    )
    toasts = forms.BooleanField(
        required=False,
        label="Show a message on the page I am on",
        help_text="When one of your copies was approved or refused, has ended or is unresolved, or when a request "
        "needs your approval.",
    )
    shortcuts = forms.BooleanField(
        required=False,
        label="Use the key / to go to the search",
        help_text="Switch this off if you dictate to your computer or press keys by accident.",
    )
    time_zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        widget=PlainSelect,
        help_text="For dates and times on pages and in emails.",
        error_messages={"invalid_choice": "There is no such time zone. Choose one from the list."},
    )

    def __init__(self, *arguments: Any, user: User, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.user = user
        self.preferences = preferences_of(user)
        own, others = own_topics(user), others_topics(user)
        # The help desk cannot request copies, so it has none of its own.
        self.shows_own = access.may_submit(user) or not others
        self.shows_others = bool(others)
        if self.shows_own:
            self._add(OWN, own)
        if self.shows_others:
            self._add(OTHERS, others)
            self.initial.setdefault("figures", wants_figures(user))
        else:
            del self.fields["figures"]
        self.initial.setdefault("toasts", self.preferences.toasts)
        self.initial.setdefault("shortcuts", self.preferences.shortcuts)
        self.initial.setdefault("time_zone", self.preferences.time_zone)
        none_chosen = f"My browser’s; {settings.TIME_ZONE} in emails"
        set_choices(self, "time_zone", [("", none_chosen), *zone_choices()])

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the notification table that this person can set."""
        for topic, (label, help) in TOPIC_TEXTS.items():
            own, others = self._field(OWN, topic), self._field(OTHERS, topic)
            if own or others:
                yield Row(label, help, own, others)

    def save(self) -> Preferences:
        chosen = self.cleaned_data
        # Choices that the form did not offer to the current role are kept, in case the role changes.
        self.preferences.own = {**self.preferences.own, **self._chosen(OWN)}
        self.preferences.others = {**self.preferences.others, **self._chosen(OTHERS)}
        if "figures" in chosen:
            self.preferences.figures = chosen["figures"]
        self.preferences.toasts = chosen["toasts"]
        self.preferences.shortcuts = chosen["shortcuts"]
        self.preferences.time_zone = chosen["time_zone"]
        self.preferences.save()
        return self.preferences

    def _add(self, whose: str, topics: Mapping[Topic, When]) -> None:
        for topic, when in topics.items():
            label = f"{TOPIC_TEXTS[topic][0]}, {WHOSE[whose]}"
            self.fields[f"{whose}_{topic}"] = forms.ChoiceField(
                label=label,
                choices=When.choices,
                initial=when,
                widget=forms.Select(attrs={"aria-label": label}),
                error_messages={"invalid_choice": "Choose “immediately”, “in the daily summary” or “never”."},
            )

    def _field(self, whose: str, topic: Topic) -> BoundField | None:
        name = f"{whose}_{topic}"
        return self[name] if name in self.fields else None

    def _chosen(self, whose: str) -> dict[str, str]:
        prefix = f"{whose}_"
        return {
            name.removeprefix(prefix): value for name, value in self.cleaned_data.items() if name.startswith(prefix)
        }

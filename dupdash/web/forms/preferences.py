"""What a person is told, and how, as a form; and the time zone in which they read it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.forms import BoundField

from dupdash.accounts import access
from dupdash.notifications.models import Preferences
from dupdash.notifications.preferences import others_topics, own_topics, preferences_of, wants_figures
from dupdash.notifications.topics import Topic, When

if TYPE_CHECKING:
    from django.contrib.auth.models import User

OWN, OTHERS = "own", "others"
WHOSE = {OWN: "your own copies", OTHERS: "copies of others"}

# What happened, in the order of a job's life, and what is meant by it.
WORDS: dict[Topic, tuple[str, str]] = {
    Topic.REQUESTED: ("Requested", "A receipt for each request."),
    Topic.APPROVAL: ("Waits for approval", "Somebody has to approve or refuse it."),
    Topic.APPROVED: ("Approved", "It starts by itself after that."),
    Topic.REFUSED: ("Refused", "With the reason."),
    Topic.SUCCEEDED: ("Complete", "The new course is there."),
    Topic.FAILED: ("Failed", "With what happened and what to do."),
    Topic.UNRESOLVED: ("Unresolved", "Whether it was made could not be found out."),
    Topic.CANCELLED: ("Cancelled", "By somebody else."),
}


@dataclass(frozen=True)
class Row:
    """One line of the table: what happened, and a field for each kind of copies it may be told of."""

    label: str
    help: str
    own: BoundField | None
    others: BoundField | None


class PreferencesForm(forms.Form):
    figures = forms.BooleanField(
        required=False,
        label="Send me the figures of the day",
        help_text="What was copied, what failed and why, what is unresolved and what waits for approval. "
        "Nothing is sent on a day with nothing to say.",
    )
    toasts = forms.BooleanField(
        required=False,
        label="Show a short message on whatever page I am on",
        help_text="When one of your own copies has ended, or something waits for your approval.",
    )
    time_zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        help_text="In which dates and times are shown here, and written in mails.",
        error_messages={"invalid_choice": "There is no such time zone. Choose one from the list."},
    )

    def __init__(self, *arguments: Any, user: "User", **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.user = user
        self.preferences = preferences_of(user)
        own, others = own_topics(user), others_topics(user)
        # Who only helps others has no copies of their own.
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
        self.initial.setdefault("time_zone", self.preferences.time_zone)
        zones = self.fields["time_zone"]
        assert isinstance(zones, forms.ChoiceField)  # noqa: S101 - for the type checker
        zones.choices = [
            ("", f"My browser’s; {settings.TIME_ZONE} in mails"),
            *((name, name.replace("_", " ")) for name in sorted(available_timezones()) if _is_a_place(name)),
        ]

    def rows(self) -> Iterator[Row]:
        """The table of what is told when."""
        for topic, (label, help) in WORDS.items():
            own, others = self._field(OWN, topic), self._field(OTHERS, topic)
            if own or others:
                yield Row(label, help, own, others)

    def save(self) -> Preferences:
        chosen = self.cleaned_data
        # What this person may not choose now is kept: roles come and go.
        self.preferences.own = {**self.preferences.own, **self._chosen(OWN)}
        self.preferences.others = {**self.preferences.others, **self._chosen(OTHERS)}
        if "figures" in chosen:
            self.preferences.figures = chosen["figures"]
        self.preferences.toasts = chosen["toasts"]
        self.preferences.time_zone = chosen["time_zone"]
        self.preferences.save()
        return self.preferences

    def _add(self, whose: str, topics: Mapping[Topic, When]) -> None:
        for topic, when in topics.items():
            label = f"{WORDS[topic][0]}, {WHOSE[whose]}"
            self.fields[f"{whose}_{topic}"] = forms.ChoiceField(
                label=label,
                choices=When.choices,
                initial=when,
                widget=forms.Select(attrs={"aria-label": label}),
                error_messages={"invalid_choice": "Choose one of the three."},
            )

    def _field(self, whose: str, topic: Topic) -> BoundField | None:
        name = f"{whose}_{topic}"
        return self[name] if name in self.fields else None

    def _chosen(self, whose: str) -> dict[str, str]:
        prefix = f"{whose}_"
        return {
            name.removeprefix(prefix): value for name, value in self.cleaned_data.items() if name.startswith(prefix)
        }


def _is_a_place(name: str) -> bool:
    """Not the abbreviations and double names that the database of zones keeps for old programs."""
    return name == "UTC" or ("/" in name and not name.startswith(("Etc/", "SystemV/", "US/", "posix/", "right/")))

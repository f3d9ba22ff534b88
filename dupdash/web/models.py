"""The database tables of the web interface: presets of options, and saved filters."""

from collections.abc import Mapping

from django.conf import settings
from django.db import models

from dupdash.moodle.options import OFF, ON, OPTIONS

NAME_LONGEST = 60


class OptionPreset(models.Model):
    """A preset: the ten options under a name. A person who chooses it in the request form can still change them."""

    name = models.CharField(max_length=NAME_LONGEST, unique=True)
    # As chosen, all ten.
    options = models.JSONField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def values(self) -> dict[str, int]:
        """The values of all ten options; 0 for an option that is newer than the preset."""
        return {option.name: self.options.get(option.name, OFF) for option in OPTIONS}

    @property
    def on(self) -> list[str]:
        """The options that are on, as presets.js takes them: "users", or "enrolments=2"."""
        chosen: Mapping[str, int] = self.options
        return [
            option.name if chosen[option.name] == ON else f"{option.name}={chosen[option.name]}"
            for option in OPTIONS
            if chosen.get(option.name)
        ]


class SavedFilter(models.Model):
    """A filter of the list of copies that a person saved under a name."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=NAME_LONGEST)
    # The query of the list's URL.
    query = models.CharField(max_length=2000)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_filter_per_name")]

    def __str__(self) -> str:
        return self.name

"""What belongs to the dashboard alone."""

from collections.abc import Mapping

from django.db import models

from dupdash.moodle.options import OPTIONS

NAME_LONGEST = 60


class OptionPreset(models.Model):
    """The ten options under a name, for the request form. Who uses one gets its switches, and may change them."""

    name = models.CharField(max_length=NAME_LONGEST, unique=True)
    # As chosen, all ten.
    options = models.JSONField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def on(self) -> list[str]:
        """The names of the options that are on."""
        chosen: Mapping[str, bool] = self.options
        return [option.name for option in OPTIONS if chosen.get(option.name)]

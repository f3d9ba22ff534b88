"""The form of a preset for administrators: a name and the ten options."""

from typing import Any

from django import forms

from dupdash.moodle.options import OPTIONS, from_form
from dupdash.web.models import NAME_LONGEST, OptionPreset


class PresetForm(forms.Form):
    name = forms.CharField(
        max_length=NAME_LONGEST,
        label="Name",
        help_text="The purpose in a few words. Everybody who requests copies sees it.",
        error_messages={"required": "Enter a name."},
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )

    def __init__(self, *arguments: Any, preset: OptionPreset, **more: Any) -> None:
        if preset.pk:
            more.setdefault("initial", {"name": preset.name})
        super().__init__(*arguments, **more)
        self.preset = preset

    def clean_name(self) -> str:
        name = " ".join(str(self.cleaned_data["name"]).split())
        # Python compares the names, because some databases ignore case for ASCII letters only.
        others = OptionPreset.objects.exclude(pk=self.preset.pk).values_list("name", flat=True)
        if name.casefold() in (other.casefold() for other in others):
            raise forms.ValidationError("A preset with this name already exists. Enter another name.")
        if not name.isprintable():
            raise forms.ValidationError("Use one line of text, without control characters.")
        return name

    @property
    def chosen_options(self) -> dict[str, int]:
        """Return the ten options as they are set in the form."""
        if self.is_bound:
            return from_form(self.data)
        known: dict[str, int] = self.preset.options or {}
        return {option.name: known.get(option.name, option.default) for option in OPTIONS}

    def save(self) -> OptionPreset:
        self.preset.name = self.cleaned_data["name"]
        self.preset.options = self.chosen_options
        self.preset.save()
        return self.preset

"""Sets the choices of a form field that are known only when the form is shown."""

from collections.abc import Iterable

from django import forms


def set_choices(form: forms.Form, name: str, choices: Iterable[tuple[object, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
    field.choices = list(choices)

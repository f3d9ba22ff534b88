"""The form that creates an API token: its purpose and the days until it expires."""

from django import forms
from django.contrib.auth.models import User

from dupdash.accounts import tokens
from dupdash.accounts.models import LABEL_LONGEST, ApiToken


class TokenForm(forms.Form):
    label = forms.CharField(
        max_length=LABEL_LONGEST,
        label="Purpose",
        help_text="For example the name of the program. The activity of its jobs shows this purpose.",
        error_messages={"required": "Enter what the token is for."},
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=tokens.DAYS_MOST,
        initial=tokens.DAYS_DEFAULT,
        label="Days until it expires",
    )

    def __init__(self, *arguments: object, owner: User, **more: object) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        self.owner = owner

    def clean_label(self) -> str:
        label: str = self.cleaned_data["label"]
        if not label.isprintable():
            raise forms.ValidationError("Use one line of text, without control characters.")
        if ApiToken.objects.filter(owner=self.owner, label=label, revoked_at__isnull=True).exists():
            raise forms.ValidationError("You have a token with this purpose. Enter another one, or revoke that token.")
        return label

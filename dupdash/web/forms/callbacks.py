"""The form that sets and tests the callback URL of an API token."""

from typing import Any

from django import forms

from dupdash.callbacks.models import ADDRESS_LONGEST
from dupdash.callbacks.url_check import InvalidUrl, check_callback_url


class CallbackForm(forms.Form):
    address = forms.CharField(
        max_length=ADDRESS_LONGEST,
        required=False,
        label="URL to call when a job ends",
        help_text="For example https://lms.example.edu/copies/done. Leave it empty for no callbacks.",
        widget=forms.URLInput(attrs={"dir": "ltr"}),
    )

    # The result of the test: "" before a test, "ok", or the error.
    test_result = ""

    def clean_address(self) -> str:
        url: str = self.cleaned_data["address"]
        try:
            if url:
                check_callback_url(url)
        except InvalidUrl as invalid:
            raise forms.ValidationError(str(invalid)) from None
        return url

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "test" in self.data and not cleaned.get("address") and "address" not in self.errors:
            self.add_error("address", "Enter the URL that you want to test.")
        return cleaned

"""Tests which addresses of callbacks are accepted and which are refused."""

from typing import Any

import pytest

from dupdash.callbacks.url_check import InvalidUrl, check_callback_url


@pytest.fixture(autouse=True)
def _allowed(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["lms.example.edu", ".apps.example.edu"]


@pytest.mark.parametrize(
    "address",
    [
        "https://lms.example.edu/done?x=1",
        "http://LMS.example.edu:8080",
        "https://a.apps.example.edu/",
        "https://lms.example.edu./",
    ],
)
def test_allowed_host_is_accepted(address: str) -> None:
    check_callback_url(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://evil.example.com/", "Ask the operator of dupdash to add it to WEBHOOK_ALLOWED_HOSTS."),
        ("https://apps.example.edu/", "WEBHOOK_ALLOWED_HOSTS"),
        ("https://evilapps.example.edu/", "WEBHOOK_ALLOWED_HOSTS"),
        ("https://lms.example.edu.evil.com/", "WEBHOOK_ALLOWED_HOSTS"),
        ("https://lms.example.edu@evil.com/", "user name"),
        ("https://user:secret@lms.example.edu/", "user name"),
        ("ftp://lms.example.edu/", "https://"),
        ("javascript:alert(1)", "https://"),
        ("//lms.example.edu/", "https://"),
        ("lms.example.edu", "https://"),
        ("https://", "https://"),
        ("https://lms.example.edu:0/", "https://"),
        ("https://lms.example.edu:port/", "not a URL"),
        ("https://lms.example.edu/#part", "after #"),
        ("https://lms.example.edu/a b", "characters"),
        ("https://lms.example.edu/\r\nHost: x", "characters"),
        ("https://lms.exämple.edu/", "characters"),
        ("https://lms.example.edu/" + "x" * 500, "500"),
    ],
    ids=ascii,
)
def test_other_urls_are_refused_with_the_reason(address: str, why: str) -> None:
    with pytest.raises(InvalidUrl, match=why):
        check_callback_url(address)

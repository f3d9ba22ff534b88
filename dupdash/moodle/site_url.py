"""Checks and normalises the URL of a Moodle site."""

from urllib.parse import urlsplit

import requests

ENDPOINT = "/webservice/rest/server.php"
_EXAMPLE = "Enter the URL of the Moodle site, for example https://moodle.example.edu"


def checked_site_url(url: str) -> str:
    """Return the URL of a Moodle site without a slash at the end. A path in the URL is kept.

    Raises ValueError, whose message says what to do, for anything but the http or https URL of a site.
    """
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - raises for a port that is not a number
        requests.Request("POST", url.strip() + ENDPOINT).prepare()
    except ValueError:
        raise ValueError(f"This is not a URL. {_EXAMPLE}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"The URL must begin with https:// or http://. {_EXAMPLE}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"The URL must not contain a user name or a password. {_EXAMPLE}")
    if parts.query or parts.fragment or parts.path.endswith(".php"):
        raise ValueError(f"This is the URL of a page inside a site. {_EXAMPLE}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

"""Reports errors to Sentry, without secrets and without anything that identifies a person."""

import json
from collections.abc import Callable
from typing import Any

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import BadDsn

from dupdash import VERSION

HIDDEN = "[hidden]"


def report_errors_to_sentry(dsn: str, *secrets: str) -> bool:
    """Start reporting errors. Returns False if ``dsn`` is not a valid DSN of Sentry.

    ``secrets``: strings that are replaced wherever a report would contain them.
    """
    try:
        sentry_sdk.init(
            dsn=dsn,
            release=f"dupdash@{VERSION}",
            # No names, network addresses, cookies and form data: requests carry names of courses and tokens.
            send_default_pii=False,
            max_request_body_size="never",
            include_local_variables=False,
            before_send=without_secrets(secrets),
        )
    except BadDsn:
        return False
    return True


def without_secrets(secrets: tuple[str, ...]) -> Callable[[Event, Hint], Event]:
    """Return a filter for reports that replaces each secret."""

    def replace(event: Event, hint: Hint) -> Event:
        text = json.dumps(event, default=str)
        for secret in filter(None, secrets):
            text = text.replace(json.dumps(secret)[1:-1], HIDDEN)
        cleaned: Any = json.loads(text)
        if "request" in cleaned:
            cleaned["request"].pop("query_string", None)
        return cleaned  # type: ignore[no-any-return]

    return replace

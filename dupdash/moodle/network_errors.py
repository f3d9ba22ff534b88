"""Translates the errors of requests and urllib3 into a MoodleError, which says whether the request was sent."""

import http.client
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from dupdash.moodle.connections import CERTIFICATE_ERRORS
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NoTrustworthyAnswer, NotSent


def network_error(
    error: Exception, *, site_url: str, function: str, connect_timeout: float, read_timeout: float
) -> MoodleError:
    """Return the MoodleError for an exception of requests or urllib3."""
    host = urlsplit(site_url).hostname
    causes = list(causes_of(error))

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(*CERTIFICATE_ERRORS):
        return ConfigurationFault(
            f"The certificate of {host} could not be verified.",
            function=function,
            advice="Renew the certificate of the site, or make this machine trust its issuer.",
        )
    if among(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
        return ConfigurationFault(
            f"No request can be sent to {site_url}.",
            function=function,
            advice="Check MOODLE_URL, and the proxy settings of this machine.",
        )
    # A ProxyError alone proves nothing: urllib3 also raises one if the proxy lost an answer.
    if among(NewConnectionError, ConnectTimeoutError, requests.exceptions.ConnectTimeout):
        if among(ssl.SSLError) and not among(ssl.SSLEOFError, ssl.SSLZeroReturnError, TimeoutError):
            return ConfigurationFault(
                f"No secure connection could be made to {host}.",
                function=function,
                advice="Check that the site is served by https at the URL in MOODLE_URL.",
            )
        if among(ProxyError, requests.exceptions.ProxyError):
            return NotSent("The proxy could not be reached, or did not let the request through.", function=function)
        if among(NameResolutionError):
            return NotSent(f"The name {host} could not be resolved.", function=function)
        if among(ConnectionRefusedError):
            return NotSent(f"{host} refused the connection.", function=function)
        if among(TimeoutError, requests.exceptions.ConnectTimeout) or not among(NewConnectionError):
            words = f"{host} accepted no connection within {connect_timeout:g} seconds."
            return NotSent(words, function=function)
        return NotSent(f"No connection to {host} could be made.", function=function)
    if among(ReadTimeoutError, TimeoutError, requests.exceptions.ReadTimeout):
        words = f"no complete answer within {read_timeout:g} seconds"
        return NoTrustworthyAnswer(words, function=function, timed_out=True)
    if among(http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        # The kernel decides which of the three a reset in the middle of sending becomes.
        return NoTrustworthyAnswer("the connection broke off", function=function)
    if among(http.client.IncompleteRead):
        return NoTrustworthyAnswer("an answer that was cut short", function=function)
    return NoTrustworthyAnswer("an answer that could not be read", function=function)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Return ``error`` and the errors that caused it.

    ``__context__`` is ignored: it may be an error of another request that the caller is handling at the moment.
    """
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        cause = pending.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending += [
            cause.__cause__,
            getattr(cause, "reason", None),
            getattr(cause, "original_error", None),
            *cause.args,
        ]

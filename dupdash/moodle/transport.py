"""One request to a Moodle, and what came of it.

Failures come back as values: an exception of requests holds the request, whose body holds the token, and
must not hang on anything that is raised. They are raised by :class:`Transport`, in a frame that does not
know the token.
"""

import http.client
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus, urlencode, urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from dupdash import VERSION
from dupdash.moodle import responses
from dupdash.moodle.connections import CERTIFICATE_ERRORS, new_session
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NoTrustworthyAnswer, NotSent, Refused
from dupdash.moodle.options import WireOption

ENDPOINT = "/webservice/rest/server.php"
USER_AGENT = f"dupdash/{VERSION}"
LARGEST_BODY = 64 * 1024 * 1024
IDLE_LIMIT = 60.0
"""Seconds after which a kept-alive connection is not used again: firewalls forget silent connections
without a word.
"""
BACKOFF = (0.1, 0.3, 1.0)
"""Seconds before the first, second and every further repetition of a read."""

Parameter = str | int | Sequence[WireOption] | Sequence[str | int]


class Secret:
    """A text that does not show itself."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "<secret>"

    def reveal(self) -> str:
        return self._text

    def hide_in(self, text: str) -> str:
        """``text`` without the secret; a very short one is left, for it would blot out ordinary words."""
        if len(self._text) < 5:
            return text
        return text.replace(self._text, "…").replace(quote_plus(self._text), "…")


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a connection, and for the whole answer once the request is sent."""

    connect: float
    read: float


def site_address(url: str) -> str:
    """The address of a Moodle, without a slash at the end; a path before Moodle is kept.

    Raises ValueError, which says what to do, for anything that is not the http or https address of a site.
    """
    example = "Give the address of the Moodle site, like https://moodle.example.edu"
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - raises for a port that is no number
        requests.Request("POST", url.strip() + ENDPOINT).prepare()
    except ValueError:
        raise ValueError(f"This is not an address. {example}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"The address must begin with https:// or http://. {example}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"The address must not hold a user name or a password. {example}")
    if parts.query or parts.fragment or parts.path.endswith(".php"):
        raise ValueError(f"This is the address of a page inside a site. {example}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def flattened(parameters: Mapping[str, Parameter]) -> list[tuple[str, str]]:
    """Parameters as Moodle's REST protocol takes them: ``options[0][name]=users&options[0][value]=1``."""

    def pairs(key: str, value: object) -> Iterator[tuple[str, str]]:
        if isinstance(value, Mapping):
            for inner, item in value.items():
                yield from pairs(f"{key}[{inner}]", item)
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from pairs(f"{key}[{index}]", item)
        else:
            yield key, str(value)

    return [pair for key, value in parameters.items() for pair in pairs(key, value)]


class Transport:
    """Sends requests to one site and gives back decoded JSON, or raises a :class:`MoodleError`.

    ``session`` carries the reads, one at a time; what may start something goes on a connection made for it
    alone. ``note`` is called with a sentence about what was ignored in an answer.
    """

    def __init__(
        self,
        site_url: str,
        token: str,
        *,
        verify: bool | str,
        session: requests.Session | None,
        note: Callable[[str], None],
    ) -> None:
        self.site_url = site_address(site_url)
        if not token.strip():
            raise ValueError("The token is empty. Give the token of the web service account in Moodle.")
        if isinstance(verify, str) and not os.path.exists(verify):
            raise ValueError("The file of certificates to trust does not exist. Give the path of one that does.")
        self._secret = Secret(token.strip())
        self._verify = verify
        self._note = note
        self._session = session if session is not None else new_session()
        self._last_used = time.monotonic()

    def close(self) -> None:
        """Close the connections for reads."""
        self._session.close()

    def read(self, function: str, parameters: Mapping[str, Parameter], timeouts: Timeouts, *, retries: int) -> object:
        """Call a function that changes nothing; a request or an answer that was lost is repeated
        ``retries`` times.
        """
        if time.monotonic() - self._last_used > IDLE_LIMIT:
            self._session.close()
        for attempt in range(retries + 1):
            if attempt:
                time.sleep(BACKOFF[min(attempt, len(BACKOFF)) - 1])
            result = self._exchange(self._session, function, parameters, timeouts)
            self._last_used = time.monotonic()
            if not _may_be_repeated(result):
                break
        if isinstance(result, MoodleError):
            raise result
        return result

    def send_once(
        self,
        function: str,
        parameters: Mapping[str, Parameter],
        timeouts: Timeouts,
        *,
        duplicating: bool = False,
    ) -> object:
        """Call a function that changes something: once, on a fresh connection that nothing else uses.

        On a kept-alive connection that the other side has just closed, nobody could tell whether the
        request arrived.
        """
        with new_session() as session:
            result = self._exchange(
                session, function, parameters, timeouts, {"Connection": "close"}, duplicating=duplicating
            )
        if isinstance(result, MoodleError):
            raise result
        return result

    def _exchange(
        self,
        session: requests.Session,
        function: str,
        parameters: Mapping[str, Parameter],
        timeouts: Timeouts,
        headers: Mapping[str, str] | None = None,
        *,
        duplicating: bool = False,
    ) -> object | MoodleError:
        """Decoded JSON, or the error (not raised: see the module)."""
        form = [
            ("wstoken", self._secret.reveal()),
            ("wsfunction", function),
            ("moodlewsrestformat", "json"),  # without it Moodle answers XML
            *flattened(parameters),
        ]
        try:
            body = urlencode(form)
        except UnicodeEncodeError:
            return Refused("The text holds characters that cannot be sent.", function=function)
        request = requests.Request(
            "POST",
            self.site_url + ENDPOINT,
            data=body,
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                **(headers or {}),
            },
        )
        try:
            answer = self._post(session, request, timeouts)
        except Exception as error:  # anything at all: once the request is on its way, Moodle may have it
            return self._explained(error, function, timeouts)
        if isinstance(answer, MoodleError):
            answer.function = function
            return answer
        return responses.understood(
            answer,
            function=function,
            site_url=self.site_url,
            hide=self._secret.hide_in,
            duplicating=duplicating,
            note=self._note,
        )

    def _post(
        self, session: requests.Session, request: requests.Request, timeouts: Timeouts
    ) -> responses.Answer | MoodleError:
        """The answer, whole; or why there is none."""
        prepared = session.prepare_request(request)
        url = str(prepared.url)
        settings = session.merge_environment_settings(url, {}, True, self._verify, None)
        verify = settings["verify"]
        if isinstance(verify, str) and not os.path.exists(verify):
            return ConfigurationFault(
                "The file of certificates to trust does not exist.",
                advice="Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE in the environment.",
            )
        # Not Session.send(): it prepares to follow redirects (with a 307 token and all).
        response = session.get_adapter(url).send(
            prepared,
            stream=True,
            timeout=(timeouts.connect, timeouts.read),
            verify=True if verify is None else verify,
            cert=settings["cert"],
            proxies=settings["proxies"],
        )
        deadline = time.monotonic() + timeouts.read
        body = bytearray()
        try:
            for chunk in response.iter_content(65536):
                body += chunk
                if response.status_code != 200:
                    break
                if len(body) > LARGEST_BODY:
                    return NoTrustworthyAnswer("an answer of more than 64 MiB")
                if time.monotonic() > deadline:  # a foreign session has no punctual connections
                    return self._too_slow(timeouts)
        except Exception:
            if response.status_code == 200:
                raise
            # Any other status says enough, whatever became of its page.
        finally:
            response.close()
        return responses.Answer(
            status=response.status_code,
            reason=str(response.reason or ""),
            location=str(response.headers.get("Location", "")),
            retry_after=str(response.headers.get("Retry-After", "")),
            body=bytes(body),
        )

    @staticmethod
    def _too_slow(timeouts: Timeouts, function: str = "") -> NoTrustworthyAnswer:
        words = f"no complete answer within {timeouts.read:g} seconds"
        return NoTrustworthyAnswer(words, function=function, timed_out=True)

    def _explained(self, error: Exception, function: str, timeouts: Timeouts) -> MoodleError:
        """Whether the request left, and how the answer was lost, from what requests raised."""
        chain = list(_causes(error))
        host = urlsplit(self.site_url).hostname

        def among(*kinds: type[BaseException]) -> bool:
            return any(isinstance(cause, kinds) for cause in chain)

        if among(*CERTIFICATE_ERRORS):
            return ConfigurationFault(
                f"The certificate of {host} could not be verified.",
                function=function,
                advice="Renew the certificate of the site, or have this machine trust whoever issued it.",
            )
        if among(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            return ConfigurationFault(
                f"No request can be sent to {self.site_url}.",
                function=function,
                advice="Check MOODLE_URL, and the proxy settings of this machine.",
            )
        # A ProxyError alone proves nothing: urllib3 makes one, too, of an answer that a proxy lost.
        if among(NewConnectionError, ConnectTimeoutError, requests.exceptions.ConnectTimeout):
            if among(ssl.SSLError) and not among(ssl.SSLEOFError, ssl.SSLZeroReturnError, TimeoutError):
                return ConfigurationFault(
                    f"No secure connection could be made to {host}.",
                    function=function,
                    advice="Check that the site is served by https at the address in MOODLE_URL.",
                )
            if among(ProxyError, requests.exceptions.ProxyError):
                return NotSent("The proxy could not be reached, or let nothing through.", function=function)
            if among(NameResolutionError):
                return NotSent(f"The name {host} could not be resolved.", function=function)
            if among(ConnectionRefusedError):
                return NotSent(f"{host} refused the connection.", function=function)
            if among(TimeoutError, requests.exceptions.ConnectTimeout) or not among(NewConnectionError):
                words = f"{host} accepted no connection within {timeouts.connect:g} seconds."
                return NotSent(words, function=function)
            return NotSent(f"No connection to {host} could be made.", function=function)
        if among(ReadTimeoutError, TimeoutError, requests.exceptions.ReadTimeout):
            return self._too_slow(timeouts, function)
        if among(http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # One word for all three: which of them a reset in the middle of sending shows as is up to the kernel.
            return NoTrustworthyAnswer("the connection broke off", function=function)
        if among(http.client.IncompleteRead):
            return NoTrustworthyAnswer("an answer that was cut short", function=function)
        return NoTrustworthyAnswer("an answer that could not be read", function=function)


def _may_be_repeated(result: object) -> bool:
    """Whether a read that ended like this is sent again at once.

    Not after its time ran out: Moodle goes on working for a client that has left (measured on 4.5.6), and a slow
    Moodle would be asked for the same work again and again. Nor where the site named a time to wait.
    """
    if not isinstance(result, NotSent | NoTrustworthyAnswer) or result.retry_after:
        return False
    return not (isinstance(result, NoTrustworthyAnswer) and result.timed_out)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it was made from.

    ``__context__`` is left out: it may be an error that the caller is just dealing with, from another
    request.
    """
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [
            cause.__cause__,
            getattr(cause, "reason", None),
            getattr(cause, "original_error", None),
            *cause.args,
        ]

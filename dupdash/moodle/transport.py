"""Sends one request to a Moodle, and returns the decoded JSON or raises a MoodleError.

Inside this module, errors are returned as values. An exception of requests contains the request, whose body contains
the token. So no such exception may become the cause of a raised one. :class:`Transport` raises the errors in a stack
frame that does not contain the token.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus, urlencode

import requests

from dupdash import VERSION
from dupdash.moodle import responses
from dupdash.moodle.connections import new_session
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NoTrustworthyAnswer, NotSent, Refused
from dupdash.moodle.network_errors import network_error
from dupdash.moodle.site_url import ENDPOINT, checked_site_url
from dupdash.moodle.wire_format import Parameter, flattened

USER_AGENT = f"dupdash/{VERSION}"
BODY_LONGEST = 64 * 1024 * 1024
# Seconds after which a kept-alive connection is not used again: firewalls drop silent connections without notice.
IDLE_LONGEST = 60.0
# Seconds before each repetition of a read.
BACKOFF = (0.1, 0.3)


class Secret:
    """A string that ``repr`` does not show."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "<secret>"

    def reveal(self) -> str:
        return self._text

    def hide_in(self, text: str) -> str:
        """Return ``text`` without the secret.

        A secret of fewer than 5 characters stays, because it could be an ordinary word.
        """
        if len(self._text) < 5:
            return text
        return text.replace(self._text, "…").replace(quote_plus(self._text), "…")


@dataclass(frozen=True)
class Timeouts:
    """The timeouts in seconds: for the connection, and for the whole answer after the request is sent."""

    connect: float
    read: float


class Transport:
    """Sends requests to one site.

    Only one thread at a time can read. A request that changes something gets a connection of its own.
    ``note``: called with a sentence if text in front of the JSON of an answer was ignored. ``on_call``: called after
    each request with the function, "ok" or the name of the error's class, and the seconds that the request took.
    ``request_id``: sent as ``X-Request-ID`` if it is not "".
    """

    def __init__(
        self,
        site_url: str,
        token: str,
        *,
        note: Callable[[str], None],
        on_call: Callable[[str, str, float], None],
        request_id: str,
    ) -> None:
        self.site_url = checked_site_url(site_url)
        if not token.strip():
            raise ValueError("The token is empty. Give the token of the web service account in Moodle.")
        self._secret = Secret(token.strip())
        self._note = note
        self._on_call = on_call
        self._request_id = request_id
        self._session = new_session()
        self._last_used = time.monotonic()

    def close(self) -> None:
        """Close the connections for reads."""
        self._session.close()

    def read(self, function: str, parameters: Mapping[str, Parameter], timeouts: Timeouts) -> object:
        """Call a function that changes nothing. If the request or its answer is lost, it is repeated.

        Raises the MoodleError of the last of up to three requests. A timeout is not followed by a repetition.
        """
        if time.monotonic() - self._last_used > IDLE_LONGEST:
            self._session.close()
        # After the last attempt there is no pause.
        for pause in (*BACKOFF, None):
            result = self._counted(function, lambda: self._exchange(self._session, function, parameters, timeouts))
            self._last_used = time.monotonic()
            if pause is None or not _may_be_repeated(result):
                break
            time.sleep(pause)
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
        """Call a function that changes something: once, on a new connection. Raises MoodleError.

        On a kept-alive connection that the site has just closed, nobody could tell whether the request arrived.
        """
        with new_session() as session:
            session.headers["Connection"] = "close"
            result = self._counted(
                function, lambda: self._exchange(session, function, parameters, timeouts, duplicating=duplicating)
            )
        if isinstance(result, MoodleError):
            raise result
        return result

    def _counted(self, function: str, exchange: Callable[[], object | MoodleError]) -> object | MoodleError:
        """Send one request by calling ``exchange``, report its outcome to ``on_call``, and return its result."""
        started = time.monotonic()
        result = exchange()
        outcome = type(result).__name__ if isinstance(result, MoodleError) else "ok"
        self._on_call(function, outcome, time.monotonic() - started)
        return result

    def _exchange(
        self,
        session: requests.Session,
        function: str,
        parameters: Mapping[str, Parameter],
        timeouts: Timeouts,
        *,
        duplicating: bool = False,
    ) -> object | MoodleError:
        """Send one request. Returns the decoded JSON or the error, which is not raised (see the module's docstring)."""
        form = [
            ("wstoken", self._secret.reveal()),
            ("wsfunction", function),
            ("moodlewsrestformat", "json"),  # without it Moodle answers XML
            *flattened(parameters),
        ]
        try:
            body = urlencode(form)
        except UnicodeEncodeError:
            return Refused("The text contains characters that cannot be sent.", function=function)
        request = requests.Request(
            "POST",
            self.site_url + ENDPOINT,
            data=body,
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                **({"X-Request-ID": self._request_id} if self._request_id else {}),
            },
        )
        try:
            answer = self._post(session, request, timeouts)
        except Exception as error:  # any exception: once the request is on its way, Moodle may have received it
            return network_error(
                error,
                site_url=self.site_url,
                function=function,
                connect_timeout=timeouts.connect,
                read_timeout=timeouts.read,
            )
        if isinstance(answer, MoodleError):
            answer.function = function
            return answer
        return responses.decode(
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
        """Return the complete answer, or why there is none."""
        prepared = session.prepare_request(request)
        url = str(prepared.url)
        settings = session.merge_environment_settings(url, {}, True, True, None)
        verify = settings["verify"]
        if isinstance(verify, str) and not os.path.exists(verify):
            return ConfigurationFault(
                "The file of certificates to trust does not exist.",
                advice="Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE in the environment.",
            )
        # Not Session.send(): it follows redirects, and a 307 would take the token along.
        response = session.get_adapter(url).send(
            prepared,
            stream=True,
            timeout=(timeouts.connect, timeouts.read),
            verify=True if verify is None else verify,
            cert=settings["cert"],
            proxies=settings["proxies"],
        )
        body = bytearray()
        try:
            for chunk in response.iter_content(65536):
                body += chunk
                if response.status_code != 200:
                    break
                if len(body) > BODY_LONGEST:
                    return NoTrustworthyAnswer("an answer of more than 64 MiB")
        except Exception:
            if response.status_code == 200:
                raise
            # The status of an error is enough, even if its page could not be read.
        finally:
            response.close()
        return responses.Answer(
            status=response.status_code,
            reason=str(response.reason or ""),
            location=str(response.headers.get("Location", "")),
            retry_after=str(response.headers.get("Retry-After", "")),
            body=bytes(body),
        )


def _may_be_repeated(result: object) -> bool:
    """Return whether a read with this result may be repeated at once.

    Not after a timeout: Moodle goes on working for a client that has left (measured on 4.5.6), so a slow Moodle would
    do the same work again and again. Not if the site named a time to wait.
    """
    if not isinstance(result, NotSent | NoTrustworthyAnswer) or result.retry_after:
        return False
    return not (isinstance(result, NoTrustworthyAnswer) and result.timed_out)

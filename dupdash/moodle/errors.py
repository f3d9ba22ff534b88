"""Defines the errors of a call to Moodle. Each class says whether Moodle may have started the requested work.

::

    MoodleError
    ├── NothingStarted              Moodle did nothing
    │   ├── NotSent                   the request was not sent: no connection could be made
    │   ├── ConfigurationFault        an administrator must act: token, service, URL, certificate, maintenance
    │   ├── Refused                   Moodle refused, and will refuse the same request again
    │   └── TryAgain                  Moodle refused, but may accept the same request in a moment
    └── MayHaveStarted              Moodle may have done all or a part of it, or may be doing it
        ├── NoTrustworthyAnswer       no answer, or one that cannot be trusted
        └── UnknownRefusal            an error that may come from the middle of a restore

This matters for duplications and deletions. Reads raise the same classes, which then only say why there is no answer.

Moodle answers errors with HTTP 200 and an ``errorcode``. The exception class in the answer differs between versions, so
the code alone decides (measured on Moodle 4.5.6). A code that is not in ``ERRORCODES`` is an :class:`UnknownRefusal`:
Moodle may have stopped at any point.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class RawError:
    """An error as Moodle sent it, shortened for the database and without tokens."""

    errorcode: str = ""
    message: str = ""
    debuginfo: str = ""


class MoodleError(Exception):
    """Moodle did not give what was asked for.

    ``message``: Moodle's own message if it sent one, otherwise a sentence of dupdash. It never contains the token.
    ``errorcode``: Moodle's error code, or "".
    ``function``: the web service function that was called, or "".
    ``raw_error``: the error as Moodle sent it, or None.
    ``retry_after``: the seconds that the site asks clients to wait, or None.

    ``str()`` gives sentences that people can read, without the token.
    """

    def __init__(self, message: str = "", *, errorcode: str = "", function: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.errorcode = errorcode
        self.function = function
        self.raw_error: RawError | None = None
        self.retry_after: float | None = None

    def __str__(self) -> str:
        return _sentence(self.message or "Moodle did not give what was asked for")

    def _moodle_said(self, opening: str) -> str:
        code = f" ({self.errorcode})" if self.errorcode else ""
        return _sentence(f"{opening}{code}: {self.message}" if self.message else f"{opening}{code}")


class NothingStarted(MoodleError):
    """The request certainly changed nothing in Moodle. It is safe to send it again."""


class NotSent(NothingStarted):
    """The request was not sent: connection refused or too slow, name not resolved, or stopped by the proxy."""


class ConfigurationFault(NothingStarted):
    """An administrator must correct the site or its settings; no request can work until then.

    ``advice``: what the administrator should do, in sentences; "" if unknown.
    """

    def __init__(self, message: str = "", *, errorcode: str = "", function: str = "", advice: str = "") -> None:
        super().__init__(message, errorcode=errorcode, function=function)
        self.advice = advice

    def __str__(self) -> str:
        return f"{super().__str__()} {self.advice}".rstrip()


class Refused(NothingStarted):
    """Moodle refused, and will refuse the same request again."""

    def __str__(self) -> str:
        return self._moodle_said("Moodle refused")


class TryAgain(NothingStarted):
    """Moodle refused, created nothing, and may accept the same request in a moment."""

    def __str__(self) -> str:
        return self._moodle_said("Moodle could not do this at the moment")


class MayHaveStarted(MoodleError):
    """Moodle may have done all or a part of what was asked for. Only a lookup can show whether to send it again."""


class NoTrustworthyAnswer(MayHaveStarted):
    """The answer was lost, or it cannot be trusted.

    Examples: a timeout, a reset connection, HTTP 5xx, HTML, an empty or truncated body, wrong types, the answer to
    another request.

    ``detail``: what came instead, short and safe to show ("HTTP 504", "an HTML page", "an empty body").
    ``timed_out``: no complete answer came in time.
    ``intermediary``: a proxy, a firewall or a web server answered in place of Moodle.
    """

    def __init__(
        self,
        message: str,
        *,
        function: str = "",
        detail: str = "",
        timed_out: bool = False,
        intermediary: bool = False,
    ) -> None:
        super().__init__(message, function=function)
        self.detail = detail or message
        self.timed_out = timed_out
        self.intermediary = intermediary

    def __str__(self) -> str:
        if self.intermediary:
            return _sentence(f"{INTERMEDIARY} answered in place of Moodle: {self.message}")
        return _sentence(f"Moodle gave no trustworthy answer: {self.message}")


class UnknownRefusal(MayHaveStarted):
    """Moodle answered with an error that may come from the middle of a restore and leave a partial course."""

    def __str__(self) -> str:
        return self._moodle_said("Moodle stopped with an error")


# What Moodle's error codes mean (measured on Moodle 4.5.6, or read in its code). dmlwriteexception is missing on
# purpose: Moodle answers it for a name that is too long, before anything starts, but also for a full disk in the middle
# of a restore.
ERRORCODES: dict[str, type[MoodleError]] = {
    "invalidtoken": ConfigurationFault,
    "accessexception": ConfigurationFault,
    "sitemaintenance": ConfigurationFault,
    "upgraderunning": ConfigurationFault,
    "sitepolicynotagreed": ConfigurationFault,
    "usernotfullysetup": ConfigurationFault,
    "forcepasswordchangenotice": ConfigurationFault,
    "wsaccessuserdeleted": ConfigurationFault,
    "wsaccessuserunconfirmed": ConfigurationFault,
    "wsaccessusersuspended": ConfigurationFault,
    "wsaccessuserexpired": ConfigurationFault,
    "wsaccessusernologin": ConfigurationFault,
    "invalidcourseid": Refused,
    # A missing category, or a function that this site does not know. The site info tells which.
    "invalidrecord": Refused,
    "requireloginerror": Refused,
    "nopermissions": Refused,
    "shortnametaken": Refused,
    "courseidnumbertaken": Refused,
    "enddatebeforestartdate": Refused,
    "nostartdatenoenddate": Refused,
    "invalidparameter": Refused,
    "invalidextparam": Refused,
    # The site's backup does not have an option, for example "enrolments" on a stock site. Thrown before the backup.
    "setting_by_name_not_found": Refused,
    # The account lacks moodle/backup:configure or moodle/backup:userinfo: it may not set "users", not even to 0.
    "setting_locked_by_permission": Refused,
    "storedfilenotcreated": TryAgain,  # two copies of one source at the same moment
}

# Another dupdash, not Moodle, answers these. Nothing was started there.
OF_ANOTHER_DUPDASH: dict[str, type[MoodleError]] = {"moodleunreachable": TryAgain, "ratelimited": TryAgain}

_IN_A_BROWSER = "Sign in to Moodle once in a browser with the account that owns MOODLE_TOKEN, and {}."
_ACCOUNT = "Open the account that owns MOODLE_TOKEN in Moodle (Site administration, Users) and {}."

ADVICE = {
    "invalidtoken": (
        "Check MOODLE_TOKEN. Create a new token in Moodle under Site administration, Server, Web services, "
        "Manage tokens."
    ),
    # The most likely cause first. Moodle gives the same answer for all of them.
    "accessexception": (
        "Check in Moodle, in this order: "
        "(1) Site administration, Server, Web services, External services: the service that dupdash’s token "
        "(MOODLE_TOKEN) belongs to contains {function}, is enabled, and allows the account. "
        "(2) Manage tokens: the token is not past its “valid until” date, and its IP restriction allows this server. "
        "(3) The account has the capability webservice/rest:use. "
        "(4) The account is not suspended, its password is not expired, and it may still sign in."
    ),
    "sitemaintenance": (
        "Wait for the end of the maintenance, or end it in Moodle under Site administration, Server, Maintenance mode."
    ),
    "upgraderunning": "Wait until the upgrade of the site is finished.",
    "sitepolicynotagreed": _IN_A_BROWSER.format("agree to the site policies"),
    "usernotfullysetup": _IN_A_BROWSER.format("fill in the required fields of its profile"),
    "forcepasswordchangenotice": _IN_A_BROWSER.format("change its password"),
    "wsaccessuserdeleted": "The account that owns MOODLE_TOKEN was deleted. Make a new account and a new token.",
    "wsaccessuserunconfirmed": _ACCOUNT.format("confirm it"),
    "wsaccessusersuspended": _ACCOUNT.format("end its suspension"),
    "wsaccessuserexpired": _ACCOUNT.format("renew its password, which has expired"),
    "wsaccessusernologin": _ACCOUNT.format("choose another authentication method than “No login”"),
}

# Before a duplication starts, Moodle looks up records of these tables: the function and the category.
_LOOKED_UP_FIRST = frozenset({"course_categories", "external_functions"})
_TABLE = re.compile(r"\btable (\w+)|\b([a-z]+(?:_[a-z0-9]+)+)\b")


INTERMEDIARY = "A proxy, a firewall or a web server"


def error_of_answer(function: str, errorcode: str, message: str, *, duplicating: bool = False) -> MoodleError:
    """Return the error for an answer with this ``errorcode`` and ``message``.

    ``duplicating``: whether the request was to copy a course. If so, ``invalidrecord`` proves that nothing started only
    if it names no record that Moodle looks up later, in the middle of a restore.
    """
    kind = (ERRORCODES | OF_ANOTHER_DUPDASH).get(errorcode, UnknownRefusal)
    if duplicating and errorcode == "invalidrecord" and _names_another_table(message):
        kind = UnknownRefusal
    if kind is ConfigurationFault:
        advice = ADVICE[errorcode].format(function=function)
        return ConfigurationFault(message or errorcode, errorcode=errorcode, function=function, advice=advice)
    return kind(message, errorcode=errorcode, function=function)


def _names_another_table(message: str) -> bool:
    named = {english or underscored for english, underscored in _TABLE.findall(message)}
    return bool(named) and not named & _LOOKED_UP_FIRST


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."

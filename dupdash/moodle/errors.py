"""What can go wrong with a Moodle: one family, and each member says whether Moodle may have started.

::

    MoodleError
    ├── NothingStarted              Moodle did nothing
    │   ├── NotSent                   the request never left: refused, name unknown, no connection in time
    │   ├── ConfigurationFault        token, service, address, certificate, maintenance: for an administrator
    │   ├── Refused                   Moodle said no, and will say no again
    │   └── TryAgain                  Moodle said no, and may say yes in a moment
    └── MayHaveStarted              Moodle may have done it, may be doing it, may have done a part of it
        ├── NoTrustworthyAnswer       no answer, or one that cannot be believed
        └── UnknownRefusal            an error that may come from the middle of a restore

Whether something was started matters for duplications and deletions. For reads the classes are the same
and say only why there is no answer.

Every error of Moodle is an answer of HTTP 200 with an ``errorcode``; the exception class in it differs
between versions, so the code alone decides (measured on Moodle 4.5.6). A code that is not in the table
below is an :class:`UnknownRefusal`: nobody knows how far Moodle had come.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class MoodleWords:
    """An error as Moodle sent it: cut to a length that can be stored, and without tokens."""

    errorcode: str = ""
    message: str = ""
    debuginfo: str = ""


class MoodleError(Exception):
    """Moodle did not give what was asked for.

    ``message``: Moodle's own words where it had any, else ours; never holds the token.
    ``errorcode``: Moodle's error code, "" where there was none.
    ``function``: the web service function that was called, "" if none was.
    ``may_have_started``: whether Moodle may have done something because of the request.
    ``words``: the error as Moodle sent it, None where Moodle sent none.
    ``retry_after``: seconds after which the site wants to be asked again, None where it named no time.

    ``str()`` is a plain sentence (or two) that may be shown to a person.
    """

    may_have_started = True

    def __init__(self, message: str = "", *, errorcode: str = "", function: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.errorcode = errorcode
        self.function = function
        self.words: MoodleWords | None = None
        self.retry_after: float | None = None

    def __str__(self) -> str:
        return _sentence(self.message or "Moodle did not give what was asked for")

    def _moodle_said(self, opening: str) -> str:
        code = f" ({self.errorcode})" if self.errorcode else ""
        return _sentence(f"{opening}{code}: {self.message}" if self.message else f"{opening}{code}")


class NothingStarted(MoodleError):
    """Proven: the request changed nothing in Moodle. The same request may be sent again without harm."""

    may_have_started = False


class NotSent(NothingStarted):
    """The request never left: refused, name not resolved, no connection in time, no way past the proxy."""


class ConfigurationFault(NothingStarted):
    """The site or its settings must be put right first; nothing that is sent before can work.

    ``advice``: what an administrator should do, in one or two plain sentences.
    """

    def __init__(self, message: str = "", *, errorcode: str = "", function: str = "", advice: str = "") -> None:
        super().__init__(message, errorcode=errorcode, function=function)
        self.advice = advice

    def __str__(self) -> str:
        return f"{super().__str__()} {self.advice}".rstrip()


class Refused(NothingStarted):
    """Moodle refused for good: the same request will be refused again."""

    def __str__(self) -> str:
        return self._moodle_said("Moodle refused")


class TryAgain(NothingStarted):
    """Moodle refused, created nothing, and may accept the same request in a moment."""

    def __str__(self) -> str:
        return self._moodle_said("Moodle could not do it just now")


class MayHaveStarted(MoodleError):
    """Moodle may have done what was asked, or a part of it: look first, never just send again."""

    may_have_started = True


class NoTrustworthyAnswer(MayHaveStarted):
    """The answer was lost, or is none that can be believed.

    No answer in time, a reset connection, HTTP 5xx, HTML, an empty or truncated body, other types than
    promised, an answer for something else than was asked.

    ``detail``: what came instead, short and safe to show ("HTTP 504", "an HTML page", "an empty body").
    ``timed_out``: whether the time allowed for the answer ran out.
    ``intermediary``: whether a proxy, a firewall or a web server answered in place of Moodle.
    """

    def __init__(
        self,
        message: str = "",
        *,
        errorcode: str = "",
        function: str = "",
        detail: str = "",
        timed_out: bool = False,
        intermediary: bool = False,
    ) -> None:
        super().__init__(message or detail, errorcode=errorcode, function=function)
        self.detail = detail or message
        self.timed_out = timed_out
        self.intermediary = intermediary

    def __str__(self) -> str:
        if self.intermediary:
            return _sentence(f"{INTERMEDIARY} answered in place of Moodle: {self.message}")
        return _sentence(
            f"Moodle gave no trustworthy answer: {self.message}" if self.message else "Moodle gave no answer"
        )


class UnknownRefusal(MayHaveStarted):
    """Moodle answered an error that may come from the middle of a restore, and leave a partial course."""

    def __str__(self) -> str:
        return self._moodle_said("Moodle stopped with an error")


# The one table from Moodle's error code to what it means (measured on Moodle 4.5.6, or read in its code).
# dmlwriteexception is missing on purpose: a name that is too long is refused with it before anything starts, but a
# full disk in the middle of a restore is reported in the same words.
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
    # A missing category, or a function that this site does not know: read the site info again to tell which.
    "invalidrecord": Refused,
    "requireloginerror": Refused,
    "nopermissions": Refused,
    "shortnametaken": Refused,
    "invalidparameter": Refused,
    "invalidextparam": Refused,
    # An option that the site's backup does not have, such as "enrolments" on a stock site; thrown before the backup.
    "setting_by_name_not_found": Refused,
    # The account lacks moodle/backup:configure, or moodle/backup:userinfo: it may not set "users", not even to 0.
    "setting_locked_by_permission": Refused,
    "storedfilenotcreated": TryAgain,  # two copies of one source at the same moment
}

# What no Moodle says, but another dupdash that serves the proposed functions: nothing was started there.
OF_ANOTHER_DUPDASH: dict[str, type[MoodleError]] = {"moodleunreachable": TryAgain, "ratelimited": TryAgain}

_IN_A_BROWSER = "Sign in to Moodle once in a browser with the account that owns MOODLE_TOKEN, and {}."
_ACCOUNT = "Open the account that owns MOODLE_TOKEN in Moodle (Site administration, Users) and {}."

ADVICE = {
    "invalidtoken": (
        "Check MOODLE_TOKEN. A new token is made in Moodle under Site administration, Server, Web services, "
        "Manage tokens."
    ),
    # In the order of likelihood. Moodle answers all of them with the same words.
    "accessexception": (
        "Check in Moodle, in this order: "
        "(1) Site administration, Server, Web services, External services: the service of this token contains "
        "{function}, is enabled, and allows the account. "
        "(2) Manage tokens: the token is not past its “valid until” date, and its IP restriction allows this server. "
        "(3) The account has the capability webservice/rest:use. "
        "(4) The account is not suspended, its password is not expired, and it may still sign in."
    ),
    "sitemaintenance": (
        "Wait until the maintenance of the site is over, or end it in Moodle under Site administration, "
        "Server, Maintenance mode."
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

# The tables whose missing record is reported before a duplication starts: the category, and the function
# itself.
_LOOKED_UP_FIRST = frozenset({"course_categories", "external_functions"})
_TABLE = re.compile(r"\btable (\w+)|\b([a-z]+(?:_[a-z0-9]+)+)\b")


INTERMEDIARY = "A proxy, a firewall or a web server"


def refusal(function: str, errorcode: str, message: str, *, duplicating: bool = False) -> MoodleError:
    """The error that an answer with this ``errorcode`` and ``message`` is.

    ``duplicating``: the request was one that makes a course. ``invalidrecord`` then proves that nothing
    started only if it does not name a record that Moodle looks up later, in the middle of a restore.
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

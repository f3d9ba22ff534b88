"""Defines the error responses of the web services, with the classes, codes and messages of Moodle.

All are sent with HTTP status 200, as captured from Moodle 4.5.6. ``debuginfo`` says what is wrong with the call; Moodle
sends it only if debugging is on. The last three errors are dupdash's own.
"""

CORE = "core\\exception\\"


class ServiceError(Exception):
    """An error response. The caller reads ``message`` and ``debuginfo``, so they must not contain secrets."""

    def __init__(self, exception: str, errorcode: str, message: str, debuginfo: str = "") -> None:
        super().__init__(message)
        self.exception = exception
        self.errorcode = errorcode
        self.message = message
        self.debuginfo = debuginfo


def moodle_exception(errorcode: str, message: str, debuginfo: str = "") -> ServiceError:
    return ServiceError(f"{CORE}moodle_exception", errorcode, message, debuginfo)


def invalid_token() -> ServiceError:
    return moodle_exception("invalidtoken", "Invalid token - token not found")


def access_exception(why: str) -> ServiceError:
    return ServiceError("webservice_access_exception", "accessexception", "Access control exception", why)


def invalid_parameter(why: str) -> ServiceError:
    return ServiceError(
        f"{CORE}invalid_parameter_exception", "invalidparameter", "Invalid parameter value detected", why
    )


def invalid_option(name: str) -> ServiceError:
    return moodle_exception("invalidextparam", f"Invalid external api parameter: {name}")


def missing_record(table: str) -> ServiceError:
    return ServiceError(
        "dml_missing_record_exception", "invalidrecord", f"Can't find data record in database table {table}."
    )


def invalid_course_id() -> ServiceError:
    return moodle_exception("invalidcourseid", "You are trying to use an invalid course ID")


def short_name_taken(why: str) -> ServiceError:
    return moodle_exception("shortnametaken", "Short name is already used for another course", why)


def front_page() -> ServiceError:
    return moodle_exception("backupprecheckerrors", "webservice/backupprecheckerrors")


def write_failed(why: str = "") -> ServiceError:
    return ServiceError("dml_write_exception", "dmlwriteexception", "Error writing to database", why)


def no_permissions(why: str) -> ServiceError:
    return ServiceError(
        f"{CORE}required_capability_exception",
        "nopermissions",
        f"Sorry, but you do not currently have permissions to do that ({why}).",
    )


def moodle_unreachable(why: str) -> ServiceError:
    """Return the error for a call that failed because dupdash could not read from Moodle. No job was created.

    The caller can repeat the call.
    """
    return moodle_exception(
        "moodleunreachable", f"Nothing was started, because dupdash could not read from Moodle. {why}"
    )


def rate_limited() -> ServiceError:
    return moodle_exception(
        "ratelimited", "Too many calls with this token in this minute. Nothing was done. Call again in the next minute."
    )


def internal_error() -> ServiceError:
    """Return the error for a bug in dupdash. It is unknown whether the call had an effect."""
    return ServiceError(
        f"{CORE}coding_exception", "codingerror", "dupdash failed to answer this call. The log has the details."
    )

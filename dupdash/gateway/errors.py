"""What the gateway refuses with: Moodle's classes, codes and words, so that a Moodle client understands them.

Every one travels as HTTP 200. Compared with captures of Moodle 4.5.6; what is particular to a call goes into
``debuginfo``, which Moodle sends too where debugging is on. The last three are ours: Moodle has no such thing.
"""

CORE = "core\\exception\\"


class ServiceError(Exception):
    """An answer that is an error. ``message`` and ``debuginfo`` are for the caller, and hold no secret."""

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
    """Nothing was started. With an ``idempotencykey`` the same call may be repeated without a thought."""
    return moodle_exception(
        "moodleunreachable", f"Nothing was started: the Moodle cannot be worked with at the moment. {why}"
    )


def rate_limited() -> ServiceError:
    return moodle_exception(
        "ratelimited", "Too many calls with this token in this minute. Nothing was done; call again in the next one."
    )


def broken() -> ServiceError:
    """A fault of ours. How far the call had come is not known here; the server's log says more."""
    return ServiceError(f"{CORE}coding_exception", "codingerror", "dupdash failed to answer; its log says more.")

"""Defines Moodle's errors, worded as in Moodle 4.5.6 (captured in ``tests/wire``).

Moodle sends all of them with HTTP status 200.
"""


class SimulatedError(Exception):
    """An exception that Moodle's web service layer reports in its answer."""

    def __init__(self, exception: str, errorcode: str | None, message: str) -> None:
        super().__init__(message)
        self.exception = exception
        self.errorcode = errorcode
        self.message = message
        # Whether a course had been created when the error occurred. The answer does not contain this.
        self.left_a_course = False


def moodle_exception(errorcode: str, message: str) -> SimulatedError:
    return SimulatedError(r"core\exception\moodle_exception", errorcode, message)


def invalid_parameter() -> SimulatedError:
    return SimulatedError(
        r"core\exception\invalid_parameter_exception", "invalidparameter", "Invalid parameter value detected"
    )


def invalid_external_parameter(name: str) -> SimulatedError:
    return moodle_exception("invalidextparam", f"Invalid external api parameter: {name}")


def invalid_token() -> SimulatedError:
    return moodle_exception("invalidtoken", "Invalid token - token not found")


def access_exception() -> SimulatedError:
    return SimulatedError("webservice_access_exception", "accessexception", "Access control exception")


def site_maintenance() -> SimulatedError:
    return moodle_exception("sitemaintenance", "The site is undergoing maintenance and is currently not available")


def missing_record(table: str) -> SimulatedError:
    return SimulatedError(
        "dml_missing_record_exception",
        "invalidrecord",
        f"Can't find data record in database table {table}.",
    )


def write_failed() -> SimulatedError:
    return SimulatedError("dml_write_exception", "dmlwriteexception", "Error writing to database")


def restore_capability_missing() -> SimulatedError:
    return SimulatedError(
        "restore_controller_exception", "restore_user_missing_capability", "restore_user_missing_capability"
    )


def invalid_course_id() -> SimulatedError:
    return moodle_exception("invalidcourseid", "You are trying to use an invalid course ID")


def shortname_taken(fullnames: list[str]) -> SimulatedError:
    return moodle_exception("shortnametaken", f"Short name is already used for another course ({','.join(fullnames)})")


def precheck_errors() -> SimulatedError:
    return moodle_exception("backupprecheckerrors", "webservice/backupprecheckerrors")


def setting_not_found() -> SimulatedError:
    """Return the error for an option that the backup does not have."""
    return SimulatedError("base_plan_exception", "setting_by_name_not_found", "error/setting_by_name_not_found")


def setting_locked() -> SimulatedError:
    """Return the error for an option that the account may not change."""
    return SimulatedError(
        "base_setting_exception", "setting_locked_by_permission", "error/setting_locked_by_permission"
    )


def stored_file_not_created(contextid: int) -> SimulatedError:
    return SimulatedError(
        "stored_file_creation_exception",
        "storedfilenotcreated",
        f"Cannot create file {contextid}/backup/course/0/backup.mbz",
    )


def require_login() -> SimulatedError:
    return SimulatedError(
        r"core\exception\require_login_exception",
        "requireloginerror",
        "Course or activity not accessible.",
    )


def no_permissions(what: str) -> SimulatedError:
    return SimulatedError(
        r"core\exception\required_capability_exception",
        "nopermissions",
        f"Sorry, but you do not currently have permissions to do that ({what}).",
    )


def php_error(message: str) -> SimulatedError:
    """Return the error for a PHP ``Error``. This is not an exception of Moodle, so it has no error code."""
    return SimulatedError("Error", None, message)

"""Explains each error code in plain sentences: what happened, what it means, and who can do what about it.

The codes are Moodle's, and those that dupdash adds. ``UNKNOWN`` explains all other codes. Pages, emails and the summary
for tickets use the same sentences. ``advice.py`` turns ``fix``, ``change`` and ``when`` into advice for a reader.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dupdash.duplication.models import DuplicationJob


@dataclass(frozen=True)
class Explanation:
    """The explanation of an error code.

    ``fix`` and ``if_again`` begin with a verb, so that "ask … to" can stand before them.
    """

    happened: str
    means: str
    # What an administrator or the operator does before a retry.
    fix: str = ""
    # What the requester changes in the form before a retry.
    change: str = ""
    # When to retry, for example "later".
    when: str = ""
    # What an administrator or the operator does if the retry fails, too.
    if_again: str = ""
    # Whether ``fix`` and ``if_again`` need the operator of dupdash: the person with access to its server and settings.
    by_operator: bool = False
    # Whether Moodle may have created a course despite this error.
    may_have_started: bool = False


GIVEN_UP = "Nothing was started, and dupdash gave up this copy."
NOTHING_STARTED = "Nothing was started."
CLEANED_UP = "Nothing was left in Moodle."

EXPLANATIONS: dict[str, Explanation] = {
    # Configuration faults. Jobs usually wait until they are fixed. A job fails with one of these codes only if other
    # copies succeed meanwhile, or if its answer arrived late.
    "invalidtoken": Explanation(
        "Moodle did not accept dupdash’s token.",
        GIVEN_UP,
        fix="create a new token in Moodle and set MOODLE_TOKEN",
        by_operator=True,
    ),
    "accessexception": Explanation(
        "Moodle does not let dupdash call a function that it needs.",
        GIVEN_UP,
        fix="run “manage.py check_moodle”, which lists the settings to check in Moodle",
        by_operator=True,
    ),
    "sitemaintenance": Explanation(
        "Moodle was in maintenance mode.",
        GIVEN_UP,
        when="when the maintenance is over",
    ),
    "upgraderunning": Explanation(
        "Moodle was being upgraded.",
        GIVEN_UP,
        when="when the upgrade is finished",
    ),
    **{
        code: Explanation(
            f"dupdash’s Moodle account cannot be used: {why}.",
            GIVEN_UP,
            fix=remedy,
            by_operator="MOODLE_TOKEN" in remedy,
        )
        for code, why, remedy in (
            (
                "sitepolicynotagreed",
                "it has not agreed to the site policies",
                "sign in to Moodle with that account and agree to the policies",
            ),
            (
                "usernotfullysetup",
                "its profile is incomplete",
                "sign in to Moodle with that account and complete its profile",
            ),
            (
                "forcepasswordchangenotice",
                "it must change its password",
                "sign in to Moodle with that account and change its password",
            ),
            (
                "wsaccessuserdeleted",
                "it was deleted",
                "create a new account and a new token in Moodle, and set MOODLE_TOKEN",
            ),
            ("wsaccessuserunconfirmed", "it is not confirmed", "confirm that account in Moodle"),
            ("wsaccessusersuspended", "it is suspended", "unsuspend that account in Moodle"),
            ("wsaccessuserexpired", "its password has expired", "renew the password of that account in Moodle"),
            ("wsaccessusernologin", "it is not allowed to sign in", "change its authentication method in Moodle"),
        )
    },
    # Moodle refused the request before it started anything.
    "invalidcourseid": Explanation(
        "The source course was not found in Moodle.",
        "Nothing was started. The course was deleted, or dupdash’s Moodle account has no access to it.",
        change="choose another source",
    ),
    "invalidrecord": Explanation(
        "Moodle did not find something that the request names, most likely the category.",
        NOTHING_STARTED,
        change="choose the category again",
        if_again="run “manage.py check_moodle”",
        by_operator=True,
    ),
    "requireloginerror": Explanation(
        "dupdash’s Moodle account may not see the source course.",
        NOTHING_STARTED,
        fix="give that account access to the course in Moodle",
    ),
    "nopermissions": Explanation(
        "dupdash’s Moodle account may not copy this course, or not into this category.",
        NOTHING_STARTED,
        fix="allow that account to back up, restore and create courses there",
    ),
    "shortnametaken": Explanation(
        "Another course has the short name now.",
        "Nothing was started, because Moodle allows each short name only once.",
        change="choose another short name",
    ),
    # Errors of the Moodle plugin. It deletes the new course before it reports them.
    "processdied": Explanation(
        "The process that made this copy in Moodle ended unexpectedly.",
        CLEANED_UP,
        if_again="check the log of Moodle’s cron",
    ),
    "taskgone": Explanation(
        "The task of this copy disappeared from Moodle’s queue.",
        f"{CLEANED_UP} Somebody may have deleted the task there, or uninstalled the plugin.",
        if_again="check whether the Moodle plugin is installed",
    ),
    "cancelled": Explanation(
        "Somebody cancelled this copy in Moodle.",
        CLEANED_UP,
        when="if the copy is still needed",
    ),
    "locktimeout": Explanation(
        "Moodle waited too long for a lock that another task had.",
        CLEANED_UP,
        when="when Moodle is less busy",
    ),
    "courseidnumbertaken": Explanation(
        "Another course has the ID number now.",
        "Nothing was started, because Moodle allows each ID number only once.",
        change="choose another ID number, or leave it empty",
    ),
    "enddatebeforestartdate": Explanation(
        "The end date is before the start date.",
        NOTHING_STARTED,
        change="choose other dates",
    ),
    "nostartdatenoenddate": Explanation(
        "The source has no start date, so its copy cannot have only an end date.",
        NOTHING_STARTED,
        change="enter a start date, too",
    ),
    "missingparam": Explanation(
        "Moodle did not receive a part of the request.",
        NOTHING_STARTED,
        change="check both names",
        if_again="check Moodle’s log",
    ),
    "invalidparameter": Explanation(
        "Moodle did not accept one of the names or options.",
        "Nothing was started. The usual cause is a tag such as <b> in a name.",
        change="use plain text in both names",
    ),
    "invalidextparam": Explanation(
        "Moodle did not accept one of the options.",
        NOTHING_STARTED,
        change="choose other options",
        if_again="check Moodle’s log",
    ),
    "setting_by_name_not_found": Explanation(
        "Moodle’s backup does not have one of the settings that the request contained.",
        "Nothing was started. A stock Moodle refuses the option “enrolments” in this way.",
        if_again="run “manage.py check_moodle”, which shows the driver that dupdash uses",
        by_operator=True,
    ),
    "hidden_copy_not_possible": Explanation(
        "dupdash cannot make a hidden copy on this Moodle.",
        "Nothing was started. dupdash’s token may call only functions that make visible copies.",
        change="choose that students see the copy, and hide it in Moodle afterwards",
        if_again="allow core_course_duplicate_course in the external service that dupdash uses",
    ),
    "setting_locked_by_permission": Explanation(
        "Moodle does not let dupdash’s account choose what a copy contains.",
        "Nothing was started. The account lacks the capability moodle/backup:configure or moodle/backup:userinfo; "
        "it needs both for every copy.",
        fix="allow both capabilities in the role of that account in Moodle",
    ),
    "dmlwriteexception": Explanation(
        "Moodle could not store the copy in its database.",
        "The usual cause is a name that is too long. A full disk leads to the same error.",
        change="choose shorter names",
        if_again="check Moodle’s database and disk",
        may_have_started=True,
    ),
    "backupprecheckerrors": Explanation(
        "Moodle refused to restore its own backup of the source.",
        "There is no copy. This happens with courses that cannot be copied, such as the site’s front page.",
        change="choose another source",
        may_have_started=True,
    ),
    "storedfilenotcreated": Explanation(
        "Two copies of the same source disturbed each other in Moodle.",
        "Nothing was created.",
        when="when no other copy of this course is running",
    ),
    # Ours.
    "unsupported_options": Explanation(
        "The Moodle site cannot make a copy with these options.",
        "Nothing was started, because nothing was sent to Moodle.",
        change="choose other options",
    ),
    "unreachable": Explanation(
        "Moodle could not be reached.",
        "Nothing was started, because no request got through.",
        when="later",
        if_again="check the network between dupdash and Moodle",
        by_operator=True,
    ),
    "worker_lost": Explanation(
        "dupdash itself stopped working on the copy several times.",
        "Nothing was started, because nothing had been sent to Moodle.",
        when="later",
        if_again="check the log of the worker",
        by_operator=True,
    ),
    "partial_course": Explanation(
        "Moodle stopped in the middle of the copy.",
        "The new course is incomplete and will not be finished. It stays in Moodle until somebody deletes it.",
        may_have_started=True,
    ),
    "incomplete_copy": Explanation(
        "Most of the source is missing from the copy.",
        "Moodle stopped before it had restored the course. The partial course has the requested names.",
        may_have_started=True,
    ),
    "likely_partial_course": Explanation(
        "The copy was not completed.",
        "Moodle probably stopped in the middle. This copy probably left a partial course in Moodle.",
        may_have_started=True,
    ),
    "course_gone": Explanation(
        "dupdash no longer finds the new course in Moodle.",
        "Somebody deleted the course before the copy was complete, or dupdash’s Moodle account lost access to it.",
        when="if the copy is still needed",
        may_have_started=True,
    ),
    "not_made": Explanation(
        "No copy was made.",
        "A course administrator checked this in Moodle.",
        when="if the copy is still needed",
        may_have_started=True,
    ),
    "finished_err": Explanation(
        "Moodle reported that the copy failed.",
        "This Moodle makes copies in the background, and does not say why a copy fails.",
        if_again="check what Moodle’s log says about the time of the copy",
        may_have_started=True,
    ),
}

UNKNOWN = Explanation(
    "Moodle stopped with an error.",
    "The copy was not completed.",
    if_again="check Moodle’s error message and Moodle’s log",
    may_have_started=True,
)


DELETED = Explanation(
    "Moodle stopped in the middle of the copy.",
    "The new course was incomplete, and has been deleted.",
    when="if the copy is still needed",
    may_have_started=True,
)


# The code of a job whose options the site does not support.
UNSUPPORTED_OPTIONS = "unsupported_options"

# Moodle's message for this code names the other course, which the reader may not be allowed to see.
TAKEN = "shortnametaken"


def message_or_code(code: str, message: str) -> str:
    """Return the message of an error; its code if it has no message.

    For TAKEN, returns the general explanation, because not everybody may see the course that the message names.
    """
    return EXPLANATIONS[code].happened if code == TAKEN else message or code


def raw_moodle_error(job: "DuplicationJob") -> str:
    """Return the error of a job as Moodle sent it: code, message and debug information; "" if Moodle sent none."""
    error = job.moodle_error
    if not error:
        return ""
    parts = (error["errorcode"] or "no error code", error["message"], error["debuginfo"])
    return "\n".join(part for part in parts if part)


def explain(code: str) -> Explanation:
    """Return the explanation of an error code; ``UNKNOWN`` if dupdash has no explanation of this code."""
    return EXPLANATIONS.get(code, UNKNOWN)


def explain_failure(job: "DuplicationJob") -> Explanation:
    """Return the explanation of a failed job, based on its error code and on the courses that were seen in Moodle."""
    partial = ("partial_course", "likely_partial_course", "incomplete_copy")
    if job.failure_code in partial and job.course_deleted_at is not None:
        return DELETED
    explanation = explain(job.failure_code)
    if job.is_proven or job.candidates:
        # The restore of a third-party activity may fail with an error code that elsewhere means "nothing was started".
        return explanation if explanation.may_have_started else replace(explanation, means=UNKNOWN.means)
    return explanation

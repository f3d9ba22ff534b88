"""What went wrong, in three plain sentences: what happened, what it means, what to do.

One entry for each error code: Moodle's, and those that dupdash adds. A code that is not here is explained
by ``UNKNOWN``; Moodle's own words are shown beside it to those who help. Pages and mails say the same.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dupdash.duplication.models import DuplicationJob


@dataclass(frozen=True)
class Explanation:
    happened: str
    means: str
    do: str
    # Whether the error proves that Moodle created nothing.
    nothing_started: bool = False


GIVEN_UP = "Nothing was started, and this copy was given up."

EXPLANATIONS: dict[str, Explanation] = {
    # The configuration: jobs wait until it is put right, and the banner tells of it. One fails of these only where
    # others are made meanwhile, or where it is learnt too late that nothing was started.
    "invalidtoken": Explanation(
        "Moodle did not accept the token that dupdash signs in with.",
        GIVEN_UP,
        "A course administrator makes a new token in Moodle and sets MOODLE_TOKEN; then retry.",
        nothing_started=True,
    ),
    "accessexception": Explanation(
        "Moodle does not let dupdash call a function that it needs.",
        GIVEN_UP,
        "A course administrator runs “check_moodle”, which lists what to check in Moodle; then retry.",
        nothing_started=True,
    ),
    "sitemaintenance": Explanation(
        "The Moodle was in maintenance.",
        GIVEN_UP,
        "Retry when the maintenance is over.",
        nothing_started=True,
    ),
    "upgraderunning": Explanation(
        "Moodle was being upgraded.",
        GIVEN_UP,
        "Retry when the upgrade is finished.",
        nothing_started=True,
    ),
    **{
        code: Explanation(
            f"The account that dupdash uses cannot be used: {why}.",
            GIVEN_UP,
            f"A course administrator {remedy}; then retry.",
            nothing_started=True,
        )
        for code, why, remedy in (
            ("sitepolicynotagreed", "it has not agreed to the site policies", "signs in with it once and agrees"),
            ("usernotfullysetup", "its profile is incomplete", "signs in with it once and completes the profile"),
            ("forcepasswordchangenotice", "it must change its password", "signs in with it once and changes it"),
            ("wsaccessuserdeleted", "it was deleted", "makes a new account and a new token"),
            ("wsaccessuserunconfirmed", "it is not confirmed", "confirms it in Moodle"),
            ("wsaccessusersuspended", "it is suspended", "ends its suspension in Moodle"),
            ("wsaccessuserexpired", "its password has expired", "renews the password in Moodle"),
            ("wsaccessusernologin", "it may not sign in", "changes its authentication method in Moodle"),
        )
    },
    # Refused before anything was started.
    "invalidcourseid": Explanation(
        "The source course is no longer in Moodle.",
        "Nothing was started: there is nothing to copy.",
        "Choose another source. If the course should be there, ask whoever looks after it in Moodle.",
        nothing_started=True,
    ),
    "invalidrecord": Explanation(
        "Moodle no longer has something that was asked for, most likely the category.",
        "Nothing was started.",
        "Edit and retry: choose the category again. If it is still there, a course administrator runs “check_moodle”.",
        nothing_started=True,
    ),
    "requireloginerror": Explanation(
        "The account that dupdash uses may not see the source course.",
        "Nothing was started.",
        "A course administrator gives that account access to the course in Moodle; then retry.",
        nothing_started=True,
    ),
    "nopermissions": Explanation(
        "The account that dupdash uses may not copy this course, or not into this category.",
        "Nothing was started.",
        "A course administrator lets that account back up, restore and create courses there; then retry.",
        nothing_started=True,
    ),
    "shortnametaken": Explanation(
        "Another course has the short name by now.",
        "Nothing was started: Moodle allows each short name once.",
        "Edit and retry with another short name.",
        nothing_started=True,
    ),
    "missingparam": Explanation(
        "Moodle missed a part of the request.",
        "Nothing was started.",
        "Edit and retry: look at the names. If they are complete, tell a course administrator.",
        nothing_started=True,
    ),
    "invalidparameter": Explanation(
        "Moodle did not accept one of the names or options.",
        "Nothing was started. Most often a name holds a tag such as <b>.",
        "Edit and retry with plain text in both names.",
        nothing_started=True,
    ),
    "invalidextparam": Explanation(
        "Moodle did not accept one of the options.",
        "Nothing was started.",
        "Edit and retry. If it happens again, tell a course administrator.",
        nothing_started=True,
    ),
    "setting_by_name_not_found": Explanation(
        "Moodle’s backup does not have one of the settings that the request contained.",
        "Nothing was started. A stock Moodle refuses “enrolments” like this.",
        "Retry. If it fails again, a course administrator checks with “check_moodle” which driver is used.",
        nothing_started=True,
    ),
    "setting_locked_by_permission": Explanation(
        "Moodle does not let dupdash’s account choose what a copy contains.",
        "Nothing was started. The account lacks the capability moodle/backup:configure or moodle/backup:userinfo; "
        "it needs both for every copy.",
        "A course administrator allows both in the role of that account in Moodle; then retry.",
        nothing_started=True,
    ),
    "dmlwriteexception": Explanation(
        "Moodle could not store the copy in its database.",
        "Most often a name is too long. The same words also come from a full disk, so look whether something was left.",
        "Edit and retry with shorter names. If they are short, a course administrator looks at Moodle’s database.",
    ),
    "backupprecheckerrors": Explanation(
        "Moodle refuses to restore what was backed up.",
        "There is no copy. Moodle makes a hidden, empty course before it looks closely, and may have left it. "
        "This happens with courses that cannot be copied, such as the site’s front page.",
        "Choose another source. If the page of the job names a partial course, a course administrator deletes it.",
    ),
    "storedfilenotcreated": Explanation(
        "Two copies of the same source got into each other’s way in Moodle.",
        "Nothing was created.",
        "Retry when no other copy of this course is running.",
        nothing_started=True,
    ),
    # Ours.
    "unsupported_options": Explanation(
        "The Moodle site cannot make a copy with these options.",
        "Nothing was started: nothing was sent to Moodle.",
        "Edit and retry with other options.",
        nothing_started=True,
    ),
    "unreachable": Explanation(
        "Moodle could not be reached.",
        "Nothing was started: no request got through.",
        "Retry later. If Moodle opens in your browser, tell a course administrator.",
        nothing_started=True,
    ),
    "worker_lost": Explanation(
        "dupdash itself stopped working on the copy, again and again.",
        "Nothing was started: nothing had been sent to Moodle.",
        "Retry later. If it happens again, tell a course administrator: the log of the worker says more.",
        nothing_started=True,
    ),
    "partial_course": Explanation(
        "Moodle stopped in the middle of the copy.",
        "The new course is incomplete and will not be finished. It stays in Moodle until somebody deletes it.",
        "A course administrator deletes the partial course on the page of the job; then retry.",
    ),
    "incomplete_copy": Explanation(
        "The copy lacks most of its source.",
        "Moodle stopped before it had restored the course. What it made stands in Moodle under the requested names.",
        "A course administrator deletes the incomplete course on the page of the job; then retry.",
    ),
    "likely_partial_course": Explanation(
        "The copy was not completed.",
        "Moodle most likely stopped in the middle. A course that is likely a part of the copy stands in Moodle.",
        "A course administrator looks at the course that the page of the job names, deletes it there, and retries.",
    ),
    "course_gone": Explanation(
        "The new course was deleted in Moodle while the copy was being made or looked up.",
        "There is no copy, and nothing is left to clean up.",
        "Retry, if the copy is still wanted.",
    ),
    "not_made": Explanation(
        "No copy was made.",
        "A course administrator looked in Moodle and settled it.",
        "Retry, if the copy is still wanted.",
    ),
    "finished_err": Explanation(
        "The site reported that its copy failed.",
        "Moodle works on copies by itself there and does not say why they fail.",
        "Retry. If it fails again, a course administrator looks into Moodle’s log of that time.",
    ),
}

UNKNOWN = Explanation(
    "Moodle stopped with an error.",
    "The copy was not completed. If a part of it was left in Moodle, the page of the job names it.",
    "Retry once. If it fails again, tell a course administrator: Moodle’s own words say more.",
)


DELETED = Explanation(
    "Moodle stopped in the middle of the copy.",
    "The new course was incomplete, and has been deleted.",
    "Retry, if the copy is still wanted.",
)


# A job whose options the site does not support.
UNSUPPORTED_OPTIONS = "unsupported_options"

# Moodle's own words for this one name the course that is in the way, which may be none of the reader's business.
TAKEN = "shortnametaken"


def message_or_code(code: str, message: str) -> str:
    """Moodle's words for an error, as everybody who sees the job may read them; the code where it said none."""
    return EXPLANATIONS[code].happened if code == TAKEN else message or code


def words_of_moodle(job: "DuplicationJob") -> str:
    """The error of a job as Moodle sent it: code, message and debug information. Empty where Moodle sent none."""
    error = job.moodle_error
    if not error:
        return ""
    parts = (error["errorcode"] or "no error code", error["message"], error["debuginfo"])
    return "\n".join(part for part in parts if part)


def explain(code: str) -> Explanation:
    """What an error code means."""
    return EXPLANATIONS.get(code, UNKNOWN)


def explain_failure(job: "DuplicationJob") -> Explanation:
    """Why a job failed: what was seen of it in Moodle counts for more than what its code says."""
    if job.failure_code in ("partial_course", "likely_partial_course") and job.course_deleted_at is not None:
        return DELETED
    explanation = explain(job.failure_code)
    if job.is_proven or job.candidates:
        # A plugin's restore may break with the words of a refusal.
        return replace(explanation, means=UNKNOWN.means) if explanation.nothing_started else explanation
    return explanation

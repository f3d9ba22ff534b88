"""Lists all web service functions of dupdash, for calls and for the answer of ``core_webservice_get_site_info``."""

from typing import Any

from dupdash.accounts import access
from dupdash.duplication.models import MoodleHealth
from dupdash.duplication.person_names import name_of
from dupdash.gateway import cancel, result, status, submit, submit_many
from dupdash.gateway.call import Call, Function
from dupdash.gateway.job_lookup import MANY_IDS, ONE_ID
from dupdash.gateway.parameters import Parameter, identifiers

# The Moodle version whose protocol dupdash follows. Clients decide by these which features they use.
VERSION = "2024100706"
RELEASE = "4.5.6 (dupdash)"


def get_site_info(call: Call) -> dict[str, Any]:
    """Describe dupdash with the keys of a captured answer of Moodle 4.5.6, except the private access key.

    Features that dupdash does not have are reported as off.
    """
    owner = call.owner
    moodle = MoodleHealth.last_known()
    return {
        "sitename": f"dupdash for {moodle.site_name}" if moodle.site_name else "dupdash",
        "username": owner.get_username(),
        "firstname": owner.first_name,
        "lastname": owner.last_name,
        "fullname": name_of(owner),
        "lang": "en",
        "userid": owner.pk,
        # The URL of dupdash that the caller used.
        "siteurl": f"{call.request.scheme}://{call.request.get_host()}",
        "userpictureurl": "",
        "functions": [{"name": name, "version": VERSION} for name in FUNCTIONS],
        "downloadfiles": 0,
        "uploadfiles": 0,
        "release": RELEASE,
        "version": VERSION,
        "mobilecssurl": "",
        "advancedfeatures": [],
        "usercanmanageownfiles": False,
        "userquota": 0,
        "usermaxuploadfilesize": 0,
        "userhomepage": 0,
        "siteid": 1,
        "sitecalendartype": "gregorian",
        "usercalendartype": "gregorian",
        "userissiteadmin": access.is_administrator(owner),
        "theme": "",
        "limitconcurrentlogins": 0,
        "policyagreed": 1,
    }


FUNCTIONS = {
    "core_webservice_get_site_info": Function(
        # Clients of Moodle's mobile service send this parameter. dupdash has only one service and ignores it.
        {"serviceshortnames": Parameter(identifiers, required=False, default=[])},
        get_site_info,
    ),
    "core_course_async_duplicate_course": Function(submit.PARAMETERS, submit.duplicate),
    "core_course_async_duplicate_courses": Function(submit_many.PARAMETERS, submit_many.duplicate_many),
    "core_course_async_duplicate_course_get_status": Function(ONE_ID, status.get_status, status.READ_WITH_TOKEN),
    "core_course_async_duplicate_course_get_statuses": Function(MANY_IDS, status.get_statuses),
    "core_course_async_duplicate_course_get_result": Function(ONE_ID, result.get_result),
    "core_course_async_duplicate_course_cancel": Function(ONE_ID, cancel.cancel),
}

"""The functions that are served. ``core_webservice_get_site_info`` lists this very table."""

from typing import Any

from dupdash.accounts import access
from dupdash.duplication.models import MoodleHealth
from dupdash.gateway import status, submit
from dupdash.gateway.call import Call, Function
from dupdash.gateway.parameters import Parameter, identifier, many

# The Moodle whose protocol is spoken: clients decide by it what they may expect.
VERSION = "2024100706"
RELEASE = "4.5.6 (dupdash)"


def get_site_info(call: Call) -> dict[str, Any]:
    """The keys that a Moodle 4.5.6 sends (captured), but for a person's private key; what is not here is off."""
    owner = call.owner
    behind = MoodleHealth.objects.filter(pk=1).only("site_name").first()
    return {
        "sitename": f"dupdash for {behind.site_name}" if behind and behind.site_name else "dupdash",
        "username": owner.get_username(),
        "firstname": owner.first_name,
        "lastname": owner.last_name,
        "fullname": owner.get_full_name() or owner.get_username(),
        "lang": "en",
        "userid": owner.pk,
        "siteurl": call.site_url,
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
        # Clients of Moodle's mobile service send it; here there is one service only.
        {"serviceshortnames": Parameter(many(identifier), required=False, default=[])},
        get_site_info,
    ),
    "core_course_async_duplicate_course": Function(submit.PARAMETERS, submit.duplicate),
    "core_course_async_duplicate_course_get_status": Function(status.ONE, status.get_status),
    "core_course_async_duplicate_course_get_statuses": Function(status.MANY, status.get_statuses),
    "core_course_async_duplicate_course_get_result": Function(status.ONE, status.get_result),
}

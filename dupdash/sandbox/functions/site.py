"""Implements the function that describes the site."""

import hashlib
from typing import Any

from dupdash.sandbox.functions.call import VERSION, Call, ServiceFunction
from dupdash.sandbox.parameters import Multiple, Single, Value, param_alphaext
from dupdash.sandbox.protocol import OMITTED

RELEASE = "4.5.6 (Build: 20250811)"


def _get_site_info(call: Call) -> dict[str, Any]:
    user = call.user
    key = hashlib.md5(user.username.encode(), usedforsecurity=False).hexdigest()
    return {
        "sitename": call.moodle.state.sitename,
        "username": user.username,
        "firstname": user.firstname,
        "lastname": user.lastname,
        "fullname": user.fullname,
        "lang": "en",
        "userid": user.id,
        "siteurl": call.moodle.switches.siteurl or call.moodle.url,
        "userpictureurl": f"{call.moodle.url}/theme/image.php/boost/core/1795421211/u/f1",
        "functions": [{"name": name, "version": VERSION} for name in call.offered],
        "downloadfiles": 0,
        "uploadfiles": 0,
        "release": RELEASE,
        "version": VERSION,
        "mobilecssurl": "",
        "advancedfeatures": [],
        "usercanmanageownfiles": True,
        "userquota": 0,
        "usermaxuploadfilesize": -1,
        "userhomepage": 1,
        "userhomepageurl": OMITTED,
        "userprivateaccesskey": key,
        "siteid": 1,
        "sitecalendartype": "gregorian",
        "usercalendartype": "gregorian",
        "userissiteadmin": user.role == "admin",
        "theme": "boost",
        "limitconcurrentlogins": 0,
        "usersessionscount": OMITTED,
        "policyagreed": 0,
    }


FUNCTIONS = (
    ServiceFunction(
        "core_webservice_get_site_info",
        Single({"serviceshortnames": Multiple(Value(param_alphaext), default=())}),
        _get_site_info,
    ),
)

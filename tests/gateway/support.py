"""A client program of the web services that sends plain HTTP forms and uses no code of dupdash."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from dupdash.sandbox.seed import university
from tests.contract.tested_server import flat

ENDPOINT = "/webservice/rest/server.php"
DUPLICATE = "core_course_async_duplicate_course"
STATUS = f"{DUPLICATE}_get_status"
STATUSES = f"{DUPLICATE}_get_statuses"
RESULT = f"{DUPLICATE}_get_result"
CANCEL = f"{DUPLICATE}_cancel"
FORM = "application/x-www-form-urlencoded"
SITE_INFO = "core_webservice_get_site_info"

# The course AT&T of the sandbox. It has five activities, and the demonstration account "faculty" teaches it.
SOURCE = next(course.id for course in university("university").courses if course.shortname == "AT&T")


@dataclass(frozen=True)
class Caller:
    client: Client
    token: str

    def __call__(self, function: str, **parameters: Any) -> Any:
        fields = {"wstoken": self.token, "wsfunction": function, "moodlewsrestformat": "json", **flat(parameters)}
        response = self.client.post(ENDPOINT, urlencode(fields), content_type=FORM)
        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"
        return json.loads(response.content)

    def copy(self, shortname: str = "NEW-1", **changes: Any) -> Any:
        """Call the start function. A parameter of ``None`` is left out."""
        parameters = {
            "id": SOURCE,
            "fullname": f"Copy called {shortname}",
            "shortname": shortname,
            "categoryid": 2,
        } | changes
        return self(DUPLICATE, **{name: value for name, value in parameters.items() if value is not None})


def error(answer: Any) -> str:
    """Return the error code of an answer that must be an error."""
    assert isinstance(answer, dict), answer
    assert "exception" in answer, answer
    return str(answer["errorcode"])

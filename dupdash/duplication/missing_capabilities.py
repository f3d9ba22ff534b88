"""Finds the capabilities that the service account lacks. It changes nothing in Moodle.

Moodle's course search can be limited to courses in which the account has a capability. If the search finds fewer
courses with this limit than without it, the capability is missing in some course. Comparing the numbers is necessary,
because Moodle gives the account a role, and so further capabilities, in the copies that it makes. Measured on Moodle
4.5.6; Moodle documents the parameter ``requiredcapabilities`` since 3.0.
"""

import re
from dataclasses import dataclass

from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import Refused


@dataclass(frozen=True)
class Capability:
    name: str
    # What does not work without it.
    loss: str
    # Without it no copy can be made at all.
    required: bool = False
    # Whether it is needed only with the Moodle plugin, or only without it; None if in both cases.
    plugin: bool | None = None


CAPABILITIES = (
    Capability("moodle/course:view", "courses cannot be opened", required=True),
    Capability("moodle/course:viewhiddencourses", "dupdash cannot see a copy while Moodle makes it", required=True),
    Capability("moodle/backup:backupcourse", "no course can be backed up", required=True),
    Capability(
        "moodle/backup:configure",
        "Moodle refuses every copy, because the account may not choose what a copy contains",
        required=True,
        plugin=False,
    ),
    Capability(
        "moodle/backup:userinfo",
        "Moodle refuses every copy, because the account may not choose whether people are copied",
        required=True,
        plugin=False,
    ),
    Capability("moodle/backup:userinfo", "people cannot be copied", plugin=True),
    Capability("moodle/restore:restorecourse", "no course can be restored", required=True),
    Capability("moodle/course:create", "no course can be created", required=True),
    Capability("moodle/restore:userinfo", "people cannot be copied"),
    Capability("moodle/course:enrolconfig", "only manual enrolment is copied together with people"),
    Capability("moodle/role:assign", "people are copied without their roles"),
    Capability("moodle/restore:rolldates", "the Moodle plugin cannot give a copy another start date", plugin=True),
    Capability("moodle/course:update", "dupdash cannot set the dates of a copy, or hide its source", plugin=False),
    Capability("moodle/course:update", "dupdash cannot hide the source of a copy", plugin=True),
    Capability("moodle/course:changeidnumber", "dupdash cannot give a copy an ID number", plugin=False),
    Capability("moodle/course:visibility", "dupdash cannot hide the source of a copy"),
    Capability("moodle/course:viewhiddenactivities", "comparisons of copies with their sources lack hidden activities"),
    Capability("moodle/course:viewhiddensections", "comparisons of copies with their sources lack hidden sections"),
    Capability("moodle/category:viewhiddencategories", "hidden categories cannot be chosen"),
    Capability("moodle/course:delete", "dupdash cannot delete partial courses and unwanted copies"),
    Capability("moodle/user:viewdetails", "faculty members cannot be found in Moodle"),
    Capability("moodle/user:viewhiddendetails", "faculty members whose details are hidden cannot be found"),
    Capability("moodle/course:useremail", "faculty members cannot be found by their email address"),
    Capability("moodle/course:viewparticipants", "the courses of faculty members cannot be listed"),
)

# Activity types that Moodle shows only to accounts with a capability of that type: Moodle's own, and plugins that many
# sites have. "wiki" is named below, because its capability has another name.
_KINDS_WITH_VIEW = (
    "assign", "attendance", "bigbluebuttonbn", "chat", "choice", "customcert", "data", "feedback", "folder", "glossary",
    "h5pactivity", "hvp", "imscp", "label", "lesson", "lti", "page", "questionnaire", "quiz", "resource", "url",
    "workshop", "zoom",
)  # fmt: skip
ACTIVITY_CAPABILITIES = tuple(
    Capability(name, "dupdash misses activities in the source, and reports them as extra in the copy")
    for name in (*(f"mod/{kind}:view" for kind in _KINDS_WITH_VIEW), "mod/wiki:viewpage")
)


def missing(client: MoodleClient, *, plugin: bool) -> tuple[Capability, ...] | None:
    """Return the capabilities that the account lacks in the courses that it sees; None if it finds no course to check.

    ``plugin``: whether the Moodle plugin makes the copies. Raises MoodleError. A capability that this site does not
    know, for example because it belongs to a plugin, does not count as missing.
    """
    text = _text_that_finds_few(client)
    if text is None:
        return None
    found = client.count_courses(text)
    needed = [one for one in (*CAPABILITIES, *ACTIVITY_CAPABILITIES) if one.plugin in (None, plugin)]
    return tuple(capability for capability in needed if _count_with(client, text, capability.name, found) < found)


def _text_that_finds_few(client: MoodleClient) -> str | None:
    """Return a search text that finds few courses, or "", which finds all; None if the account sees no course.

    Moodle checks the capability in each course that the search finds, which takes time. If no word finds a course,
    returns "", which finds all.
    """
    found = client.search_courses("", perpage=1)
    if not found:
        return None
    words: list[str] = re.findall(r"\w+", found[0].shortname)
    longest_first = sorted(words, key=len, reverse=True)
    return next((word for word in longest_first if client.search_courses(word, perpage=1)), "")


def _count_with(client: MoodleClient, text: str, capability: str, found: int) -> int:
    """Return the number of courses that a search for ``text`` finds and in which the account has the capability.

    ``found``: the number of courses that the search finds at all. Returns it if the site does not know the capability.
    """
    try:
        return client.count_courses(text, [capability])
    except Refused as refusal:
        if refusal.errorcode != "invalidparameter":
            raise
        return found

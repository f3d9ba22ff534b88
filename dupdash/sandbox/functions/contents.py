"""Implements ``core_course_get_contents``, which returns the sections and activities of a course."""

import json
from collections.abc import Sequence
from typing import Any

from dupdash.sandbox.errors import invalid_parameter, missing_record
from dupdash.sandbox.functions.call import Call, ServiceFunction
from dupdash.sandbox.parameters import Multiple, Single, Value, param_alphaext, param_int, param_raw
from dupdash.sandbox.protocol import OMITTED
from dupdash.sandbox.records import Course, Module, Section
from dupdash.sandbox.validation import context_id

# The purpose and the plural label of each kind of activity.
_KINDS = {
    "assign": ("assessment", "Assignments"),
    "book": ("content", "Books"),
    "choice": ("communication", "Choices"),
    "feedback": ("communication", "Feedback"),
    "folder": ("content", "Folders"),
    "forum": ("collaboration", "Forums"),
    "glossary": ("collaboration", "Glossaries"),
    "h5pactivity": ("interactivecontent", "H5P"),
    "label": ("content", "Text and media areas"),
    "lesson": ("interactivecontent", "Lessons"),
    "page": ("content", "Pages"),
    "quiz": ("assessment", "Quizzes"),
    "resource": ("content", "Files"),
    "url": ("content", "URLs"),
    "wiki": ("collaboration", "Wikis"),
    "workshop": ("assessment", "Workshops"),
}
_DATE_LABELS = {
    "allowsubmissionsfromdate": "Opened:",
    "duedate": "Due:",
    "timeopen": "Opened:",
    "timeclose": "Closed:",
}
_WITH_BADGE = ("forum", "resource")
_WITH_CONTENTS = ("book", "folder", "page", "resource", "url")


def _get_contents(call: Call) -> list[dict[str, Any]]:
    options = {option["name"]: option["value"] for option in call.params["options"]}
    if set(options) - {"excludecontents"}:
        raise invalid_parameter()
    course = call.moodle.state.course(call.params["courseid"])
    if course is None:
        raise missing_record("course")
    call.must_enter(course)
    call.moodle.copies.look_up([course])
    _open_shell(call, course)
    everything = call.user.sees_everything or call.user.id in course.teachers
    excludecontents = options.get("excludecontents", "0") not in ("0", "", "false")
    return [
        _section(
            call,
            section,
            [module for module in section.modules if _sees(call, course, module, everything)],
            excludecontents,
        )
        for section in course.sections
    ]


def _open_shell(call: Call, course: Course) -> None:
    """Create the first section of a course without sections, as Moodle does when a course is opened.

    A failed restore may leave a course without sections.
    """
    running = {copy.courseid for copy in call.moodle.copies.all()}
    if not course.sections and not course.complete and course.id not in running:
        call.moodle.state.change(course.id, sections=call.moodle.state.new_sections(0))


def _sees(call: Call, course: Course, module: Module, everything: bool) -> bool:
    """Return whether the account sees an activity. Without its ``view`` capability, Moodle omits it (measured)."""
    if not (everything or module.visible):
        return False
    view = "viewpage" if module.modname == "wiki" else "view"
    return not call.moodle.switches.lacks(f"mod/{module.modname}:{view}", course)


def _section(call: Call, section: Section, seen: Sequence[Module], excludecontents: bool) -> dict[str, Any]:
    return {
        "id": section.id,
        "name": call.name(section.name),
        "visible": 1,
        "summary": section.summary,
        "summaryformat": 1,
        "section": section.section,
        "hiddenbynumsections": 0,
        "uservisible": True,
        "component": section.component or None,
        "itemid": None,
        "modules": [_module(call, module, excludecontents) for module in seen],
    }


def _module(call: Call, module: Module, excludecontents: bool) -> dict[str, Any]:
    purpose, plural = _KINDS[module.modname]
    url = call.moodle.url
    icon = "core/1795421211/f/text" if module.modname == "resource" else f"{module.modname}/1795421211/monologo"
    has_contents = module.modname in _WITH_CONTENTS
    files = [_file(url, module)] if has_contents else []
    return {
        "id": module.id,
        "url": OMITTED if module.modname == "label" else f"{url}/mod/{module.modname}/view.php?id={module.id}",
        "name": call.name(module.name),
        "instance": module.id - 600,
        "contextid": context_id(module.id),
        "visible": module.visible,
        "uservisible": True,
        "visibleoncoursepage": 1,
        "modicon": f"{url}/theme/image.php/boost/{icon}?filtericon=1",
        "modname": module.modname,
        "purpose": purpose,
        "branded": False,
        "modplural": plural,
        "availability": None,
        "indent": 0,
        "onclick": "",
        "afterlink": None,
        "activitybadge": [] if module.modname in _WITH_BADGE else OMITTED,
        "customdata": json.dumps({"filtericon": True, "display": 5} if module.modname == "resource" else ""),
        "noviewlink": module.modname == "label",
        "completion": 0,
        "downloadcontent": 1,
        "dates": [
            {"label": _DATE_LABELS[name], "timestamp": moment, "relativeto": None, "dataid": name}
            for name, moment in module.dates
        ],
        "groupmode": 0,
        "contents": ([] if excludecontents else files) if has_contents else OMITTED,
        "contentsinfo": _contents_info(files) if has_contents else OMITTED,
    }


def _file(url: str, module: Module) -> dict[str, Any]:
    return {
        "type": "file",
        "filename": "index.html",
        "filepath": "/",
        "filesize": 1024,
        "fileurl": f"{url}/webservice/pluginfile.php/{context_id(module.id)}/mod_{module.modname}/content/"
        "index.html?forcedownload=1",
        "timecreated": None,
        "timemodified": 1795421518,
        "sortorder": 1,
        "userid": None,
        "author": None,
        "license": None,
    }


def _contents_info(files: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "filescount": len(files),
        "filessize": sum(file["filesize"] for file in files),
        "lastmodified": 1795421518,
        "mimetypes": [],
        "repositorytype": "",
    }


FUNCTIONS = (
    ServiceFunction(
        "core_course_get_contents",
        Single(
            {
                "courseid": Value(param_int),
                "options": Multiple(Single({"name": Value(param_alphaext), "value": Value(param_raw)}), default=()),
            }
        ),
        _get_contents,
    ),
)

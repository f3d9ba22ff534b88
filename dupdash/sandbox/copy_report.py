"""Computes the report that the Moodle plugin makes on a complete copy."""

from typing import Any

from dupdash.sandbox.records import Course


def report_on(source: Course, copy: Course | None) -> dict[str, Any] | None:
    """Return the report on a copy: old and new ids, what was not copied, what links to the source. None: no copy."""
    if copy is None:
        return None
    pairs = list(zip(source.modules, copy.modules, strict=False))
    return {
        "sourcecourseid": source.id,
        "courseid": copy.id,
        "activities": [
            {
                "modname": old.modname,
                "oldcmid": old.id,
                "newcmid": new.id,
                "oldinstance": old.id - 600,
                "newinstance": new.id - 600,
            }
            for old, new in pairs
        ],
        "missing": _missing(source, copy),
        "pointing": [
            {
                "kind": "link",
                "cmid": new.id,
                "modname": new.modname,
                "name": new.name,
                "where": "url.externalurl",
                "url": f"/course/view.php?id={source.id}",
            }
            for old, new in [pair for pair in pairs if pair[0].modname == "url"][:1]
        ],
    }


def _missing(source: Course, copy: Course) -> list[dict[str, Any]]:
    counts = [("sections", "", len(source.sections), len(copy.sections))]
    for modname in sorted({module.modname for module in source.modules}):
        there = [sum(module.modname == modname for module in course.modules) for course in (source, copy)]
        counts.append(("activities", modname, *there))  # type: ignore[arg-type]
    for method in source.enrolment_methods:
        counts.append(("enrolmentmethods", method, 1, int(method in copy.enrolment_methods)))
    counts.append(("enrolledusers", "", len(source.enrolled), len(copy.enrolled)))
    counts.append(("roles", "editingteacher", len(source.teachers), len(copy.teachers)))
    counts.append(("roles", "student", len(source.students), len(copy.students)))
    return [
        {"kind": kind, "name": name, "source": before, "copy": after}
        for kind, name, before, after in counts
        if after < before
    ]

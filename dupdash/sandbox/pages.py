"""Renders the two HTML pages of the sandbox: the list of courses, and one course. Links to courses open them."""

from html import escape

from dupdash.sandbox.http_messages import Request, Response
from dupdash.sandbox.moodle import Moodle
from dupdash.sandbox.parameters import php_int
from dupdash.sandbox.protocol import parse_fields
from dupdash.sandbox.records import Course
from dupdash.sandbox.validation import FRONT_PAGE

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}small{opacity:.7}"
)


def serve_page(moodle: Moodle, request: Request) -> Response:
    if request.path == "/":
        return _page(moodle.state.sitename, _front(moodle))
    if request.path == "/course/view.php":
        asked = dict(parse_fields(request.query, b"")).get("id", "")
        course = moodle.state.course(php_int(asked))
        if course is not None:
            return _page(course.fullname, _course(moodle, course))
    return _page("Not found", "<p>The sandbox has no such page.</p>", 404)


def _front(moodle: Moodle) -> str:
    rows = [_link(course) for course in moodle.state.courses() if course.id != FRONT_PAGE]
    return f"<p>{len(rows)} courses to try things with.</p><ul>{''.join(rows)}</ul>"


def _link(course: Course) -> str:
    hidden = "" if course.visible else " <small>hidden</small>"
    name = f"{escape(course.fullname)} ({escape(course.shortname)})"
    return f'<li><a href="/course/view.php?id={course.id}">{name}</a>{hidden}</li>'


def _course(moodle: Moodle, course: Course) -> str:
    category = moodle.state.categories.get(course.categoryid)
    where = escape(category.name) if category else ""
    hidden = "" if course.visible else ", hidden from students"
    sections = "".join(
        f"<h2>{escape(section.name)}</h2><ul>"
        + "".join(f"<li>{escape(module.name)} <small>{module.modname}</small></li>" for module in section.modules)
        + "</ul>"
        for section in course.sections
    )
    return f"<p>{escape(course.shortname)}, {where}{hidden}</p>{sections}"


def _page(title: str, body: str, status: int = 200) -> Response:
    html = (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{body}</html>"
    )
    return Response(status, "text/html; charset=utf-8", html.encode("utf-8", "replace"))

"""Validates a request for a copy. The form, the command and the web services build the same ``DuplicationRequest``."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

from dupdash.duplication.course_dates import day_of
from dupdash.duplication.driver_choice import UPDATE, expected_driver
from dupdash.duplication.drivers.temporary_names import SHORT_NAME_LONGEST
from dupdash.duplication.models import IDNUMBER_LONGEST, DuplicationJob, MoodleHealth, Origin
from dupdash.duplication.name_display import isolate
from dupdash.duplication.person_names import COMMAND_LINE, name_of
from dupdash.duplication.truncation import truncate_for
from dupdash.moodle import options
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import abilities
from dupdash.moodle.errors import Refused
from dupdash.moodle.multilang import is_accepted
from dupdash.moodle.records import Course

# Moodle's form allows this length, and SHORT_NAME_LONGEST. Its database allows a little more (measured).
FULL_NAME_LONGEST = 254
# Moodle accepts no other years.
MOODLE_FIRST_YEAR, MOODLE_LAST_YEAR = 1971, 2200
# The front page is a course with this id, and cannot be duplicated.
FRONT_PAGE = 1

# The problem, the job that has the name, and its requester.
RESERVED_BY = "{} The copy is {}, requested by {}."


@dataclass(frozen=True)
class Problem:
    """A problem with one field. ``code``: Moodle's error code for the same problem."""

    field: str
    code: str
    message: str
    # The unfinished job that has the name, if there is one. Only people who may see the job learn about it.
    job: DuplicationJob | None = None
    # The course that has the name. It may be hidden, so only people who see all jobs learn about it.
    course: Course | None = None

    def text(self, *, in_full: bool) -> str:
        """Return the message.

        With ``in_full`` it also names the course that has the short name or ID number, or the job and its requester.
        """
        if in_full and self.job is not None:
            which = f"“{isolate(self.job.fullname)}” (job {self.job.pk})"
            return RESERVED_BY.format(self.message, which, isolate(name_of(self.job.requester, COMMAND_LINE)))
        if in_full and self.course is not None:
            return f"{self.message} The course is “{isolate(self.course.fullname)}” (id {self.course.id})."
        return self.message


class InvalidRequest(Exception):
    """The request is invalid. ``problems``: each invalid field, and what to do."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(f"{problem.field}: {problem.message}" for problem in self.problems))


@dataclass(frozen=True)
class Draft:
    """The input for a request, before it is validated against Moodle."""

    source: str
    fullname: str
    shortname: str
    category_id: int
    visible: bool = True
    options: Mapping[str, int] = field(default_factory=options.defaults)
    # Calendar dates in the time zone of the site.
    startdate: date | None = None
    enddate: date | None = None
    idnumber: str = ""
    note: str = ""
    not_before: datetime | None = None
    idempotency_key: str = ""
    # ``source`` is certainly an id, not a short name made of digits.
    by_id: bool = False


# The fields that drafts, requests and jobs have in common.
_REQUESTED = tuple(one.name for one in fields(Draft) if one.name not in ("source", "by_id"))


def requested_fields(request: "Draft | DuplicationRequest | DuplicationJob") -> dict[str, Any]:
    """Return the fields that a draft, a request and a job have in common, keyed by name: all but the source course."""
    return {name: getattr(request, name) for name in _REQUESTED}


@dataclass(frozen=True)
class DuplicationRequest:
    """A valid request: the source and the category exist, and Moodle accepts the names."""

    source_id: int
    source_shortname: str
    source_fullname: str
    fullname: str
    shortname: str
    category_id: int
    category_name: str
    visible: bool
    # ``bool``, because a stored request is read back exactly (rollover).
    options: dict[str, bool | int]
    origin: Origin
    startdate: date | None = None
    enddate: date | None = None
    idnumber: str = ""
    note: str = ""
    not_before: datetime | None = None
    idempotency_key: str = ""


def check_name(name: str, *, field: str, label: str, longest: int) -> list[Problem]:
    """Return the problems of a full name or a short name that can be found without Moodle and the database.

    ``field``: the field to which the problems belong. ``label``: what the messages call the name. ``longest``: the
    number of characters that it may have.
    """
    if not name.strip():
        return [
            Problem(
                field,
                "missingparam",
                f"Enter a {label}.",
            )
        ]
    problems = []
    if len(name.strip()) > longest:
        problems.append(
            Problem(
                field,
                "dmlwriteexception",
                f"A {label} has at most {longest} characters; this one has {len(name.strip())}.",
            )
        )
    if not is_accepted(name.strip()):
        problems.append(
            Problem(
                field,
                "invalidparameter",
                f"A {label} cannot contain HTML tags, or a “<” without a space after it. Moodle allows only complete "
                "tags of its multi-language filter.",
            )
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name.strip()):
        problems.append(
            Problem(field, "invalidparameter", f"A {label} must be one line of text without control characters.")
        )
    return problems


def check_full_name(fullname: str) -> list[Problem]:
    return check_name(fullname, field="fullname", label="full name", longest=FULL_NAME_LONGEST)


def check_short_name(shortname: str) -> list[Problem]:
    return check_name(shortname, field="shortname", label="short name", longest=SHORT_NAME_LONGEST)


def check_options(chosen: Mapping[str, int], *, visible: bool) -> list[Problem]:
    """Return a problem if the site cannot make a copy with these options, according to its last site info.

    Returns an empty list if it can.
    """
    health = MoodleHealth.last_known()
    reason = options.refusal(chosen, expected_driver(health, visible=visible))
    return [Problem("options", "invalidparameter", reason)] if reason else []


def why_no_course_settings(health: MoodleHealth, *, visible: bool) -> str:
    """Return sentences that say why dupdash cannot set the dates and the ID number of a copy; "" if it can."""
    if abilities(expected_driver(health, visible=visible)).details or health.may_update:
        return ""
    return (
        "dupdash cannot set the dates and the ID number of a copy on this Moodle. A Moodle administrator can allow it: "
        f"by installing the Moodle plugin, or by adding {UPDATE} to the external service that dupdash uses."
    )


def check_course_settings(draft: Draft, source: Course | None) -> list[Problem]:
    """Return the problems of the start date, the end date and the ID number.

    Finds only problems that need no further request to Moodle.
    """
    wanted = {"startdate": draft.startdate, "enddate": draft.enddate, "idnumber": draft.idnumber.strip()}
    requested = [name for name, value in wanted.items() if value]
    if not requested:
        return []
    health = MoodleHealth.last_known()
    if reason := why_no_course_settings(health, visible=draft.visible):
        return [Problem(requested[0], "invalidparameter", reason)]
    problems = [
        Problem(name, "invalidparameter", f"Enter a date from {MOODLE_FIRST_YEAR} to {MOODLE_LAST_YEAR}.")
        for name, day in (("startdate", draft.startdate), ("enddate", draft.enddate))
        if day is not None and not MOODLE_FIRST_YEAR <= day.year <= MOODLE_LAST_YEAR
    ]
    start = draft.startdate or (day_of(source.startdate) if source else None)
    if draft.enddate and source and start is None:
        message = "A course without a start date cannot have an end date. Enter a start date, too."
        problems.append(Problem("enddate", "nostartdatenoenddate", message))
    if draft.enddate and start and draft.enddate < start:
        message = f"The end date is before the start date, {start:%Y-%m-%d}."
        problems.append(Problem("enddate", "enddatebeforestartdate", message))
    return problems + _check_idnumber(draft.idnumber.strip())


def _check_idnumber(idnumber: str) -> list[Problem]:
    if len(idnumber) > IDNUMBER_LONGEST:
        message = f"An ID number has at most {IDNUMBER_LONGEST} characters; this one has {len(idnumber)}."
        return [Problem("idnumber", "invalidparameter", message)]
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in idnumber):
        return [Problem("idnumber", "invalidparameter", "An ID number is one line without control characters.")]
    return []


def idnumber_taken(idnumber: str, client: MoodleClient, *, ignore_job: DuplicationJob | None = None) -> Problem | None:
    """Return the problem if a course or an unfinished job has this ID number; None if none has it or it is empty.

    ``ignore_job``: the job whose ID number is being changed; it may have the ID number. Raises MoodleError.
    """
    if not idnumber.strip():
        return None
    unfinished = DuplicationJob.objects.unfinished().filter(idnumber__iexact=idnumber.strip())
    if job := unfinished.exclude(pk=ignore_job.pk if ignore_job else "").select_related("requester").first():
        return Problem("idnumber", "courseidnumbertaken", "Another unfinished copy already has this ID number.", job)
    for course in client.courses_by_idnumber(idnumber.strip()):
        message = "A course in Moodle already has this ID number. Choose another, or leave it empty."
        return Problem("idnumber", "courseidnumbertaken", message, course=course)
    return None


def reserved_by_job(shortname: str, *, ignore_job: DuplicationJob | None = None) -> Problem | None:
    """Return the problem if an unfinished job reserves this short name; None if no job does.

    ``ignore_job``: the job whose name is being changed; it may have the name.
    """
    reserving = DuplicationJob.objects.reserving_short_name(shortname).select_related("requester")
    job = reserving.exclude(pk=ignore_job.pk).first() if ignore_job else reserving.first()
    if job is None:
        return None
    return Problem("shortname", "shortnametaken", "Another unfinished copy already has this short name.", job)


def taken_in_moodle(shortname: str, client: MoodleClient) -> Problem | None:
    """Return the problem if a course in Moodle has this short name; None if none has it. Raises MoodleError."""
    for course in client.courses_by_shortname(shortname.strip()):
        message = "A course in Moodle already has this short name. Choose another."
        return Problem("shortname", "shortnametaken", message, course=course)
    return None


def as_id(text: str) -> int | None:
    """Return the id in ``text``; None if it is not an id, or has more digits than the database accepts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def find_source(source: str, client: MoodleClient, *, by_id: bool = False) -> Course | None:
    """Return the course with this id or, if there is none, with this short name or ID number.

    With ``by_id`` only the id counts. A number that begins with 0 is not an id, but may be a short name or an ID
    number. Raises MoodleError.
    """
    text = source.strip()
    number = None if text.startswith("0") else as_id(text)
    course = client.course_by_id(number) if number is not None else None
    if course is not None or by_id:
        return course
    return find_by_name(text, client.courses_by_shortname) or find_by_name(text, client.courses_by_idnumber)


def find_by_name(text: str, look_up: Callable[[str], tuple[Course, ...]]) -> Course | None:
    """Return the course that the lookup ``look_up`` finds by a short name or an ID number.

    Returns None unless it finds exactly one course. Raises MoodleError.
    """
    try:
        found = look_up(text) if text else ()
    except Refused as refusal:
        if refusal.errorcode != "invalidparameter":
            raise
        # Moodle refuses to search for a text that no short name can be, for example a tag.
        return None
    return found[0] if len(found) == 1 else None


def prepare(
    draft: Draft, origin: Origin, client: MoodleClient, *, ignore_job: DuplicationJob | None = None
) -> DuplicationRequest:
    """Validate a draft, with lookups in Moodle, and return it as a request.

    ``ignore_job``: the waiting job whose request is being changed; it may keep its short name and ID number. Raises
    InvalidRequest with the problems of all fields, and MoodleError.
    """
    problems = [*check_full_name(draft.fullname), *check_short_name(draft.shortname)]
    if not any(problem.field == "shortname" for problem in problems):
        taken = reserved_by_job(draft.shortname, ignore_job=ignore_job) or taken_in_moodle(draft.shortname, client)
        problems += [taken] if taken else []
    source = find_source(draft.source, client, by_id=draft.by_id)
    if source is None:
        problems.append(
            Problem(
                "source",
                "invalidcourseid",
                "Moodle has no such course. Choose one by its id or short name.",
            )
        )
    elif source.id == FRONT_PAGE:
        problems.append(
            Problem("source", "backupprecheckerrors", "This is the site’s front page, which cannot be copied.")
        )
    settings_problems = check_course_settings(draft, source)
    problems += settings_problems
    if not any(problem.field == "idnumber" for problem in settings_problems):
        taken = idnumber_taken(draft.idnumber, client, ignore_job=ignore_job)
        problems += [taken] if taken else []
    categories = {category.id: category for category in client.categories()}
    category = categories.get(draft.category_id)
    if category is None:
        problems.append(Problem("category", "invalidrecord", "Moodle has no such category. Choose another."))
    unknown = sorted(set(draft.options) - set(options.defaults()))
    if unknown:
        problems.append(
            Problem(
                "options", "invalidextparam", f"Unknown option{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}."
            )
        )
    else:
        problems += check_options(draft.options, visible=draft.visible)
    if problems or source is None or category is None:
        raise InvalidRequest(problems)
    path = [categories[int(step)].name for step in category.path.strip("/").split("/") if int(step) in categories]
    return DuplicationRequest(
        source_id=source.id,
        source_shortname=truncate_for("source_shortname", source.shortname),
        source_fullname=truncate_for("source_fullname", source.fullname),
        category_name=truncate_for("category_name", " / ".join(path)),
        origin=origin,
        **_cleaned(draft),
    )


def _cleaned(draft: Draft) -> dict[str, Any]:
    stripped = {name: getattr(draft, name).strip() for name in ("fullname", "shortname", "idnumber", "note")}
    return {**requested_fields(draft), **stripped, "options": options.effective(draft.options)}

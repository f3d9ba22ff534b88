"""Checks rows of a plan against Moodle and the existing jobs, and stores the problems of each row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from dupdash.accounts import access
from dupdash.accounts.access import NotAllowed
from dupdash.duplication.bulk_client import BulkClient
from dupdash.duplication.models import Origin
from dupdash.duplication.name_display import isolate
from dupdash.duplication.request import (
    Draft,
    DuplicationRequest,
    InvalidRequest,
    Problem,
    as_id,
    check_short_name,
    find_by_name,
    find_source,
    prepare,
)
from dupdash.moodle.errors import ConfigurationFault, MoodleError, NotSent
from dupdash.moodle.name_comparison import short_name_key
from dupdash.moodle.records import Course
from dupdash.rollover.checks.category_lookup import Categories, CategoryNotFound, Place
from dupdash.rollover.checks.cells import read_cells
from dupdash.rollover.checks.earlier_copies import EarlierCopies
from dupdash.rollover.models import Level, Plan, PlanRow
from dupdash.rollover.reading.columns import CATEGORY, CATEGORY_IDNUMBER, CATEGORY_PATH, SOURCE, TEMPLATE_COURSE

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The column of a row that shows a problem of a request, by the field of the request.
COLUMNS = {"source": SOURCE, "category": CATEGORY}


@dataclass
class Verdict:
    """The result of checking one row."""

    problems: list[tuple[str, str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str, str]] = field(default_factory=list)
    source: Course | None = None
    place: Place | None = None
    request: DuplicationRequest | None = None

    def object_to(self, column: str, message: str, job_id: str = "") -> None:
        self.problems.append((column, message, job_id))


def check_rows(plan: Plan, rows: Sequence[PlanRow], client: BulkClient) -> None:
    """Check these rows and set the results in them, without saving the rows.

    Raises NotSent and ConfigurationFault if Moodle cannot be reached at all.
    """
    _load(rows, client)
    categories = Categories(client.categories())
    verdicts = [(row, _check(plan, row, categories, client)) for row in rows]
    earlier = EarlierCopies(verdict.source.id for _, verdict in verdicts if verdict.source)
    for row, verdict in verdicts:
        _look_for_earlier_copy(plan, row, verdict, earlier)
        row.problems = [list(problem) for problem in verdict.problems]
        row.warnings = [list(warning) for warning in verdict.warnings]
        row.shortname_key = short_name_key(row.value("shortname"))[:300]
        row.idnumber_key = short_name_key(row.value("idnumber"))[:300]
        row.request = msgspec.to_builtins(verdict.request) if verdict.request else None
        row.found = _found(verdict)
        row.level = level_of(row)


def _look_for_earlier_copy(plan: Plan, row: PlanRow, verdict: Verdict, earlier: EarlierCopies) -> None:
    copy = earlier.of(verdict.request) if verdict.request else None
    if copy is None:
        return
    message = f"This course was already copied to this term: “{isolate(copy.shortname)}”."
    verdict.warnings.append((SOURCE, message, copy.pk))
    if plan.leaves_out_copied and row.level == Level.UNKNOWN and not row.found:
        # Only the first check excludes the row. A person who includes it again wants another copy.
        row.included = False


def level_of(row: PlanRow) -> Level:
    if row.problems or row.conflict_row is not None:
        return Level.ERROR
    return Level.WARNING if row.warnings else Level.OK


def _load(rows: Iterable[PlanRow], client: BulkClient) -> None:
    """Load all courses that the rows name with a few calls.

    Numbers are looked up as ids, and other values as short names. Values without a result are looked up as ID numbers.
    """
    rows = list(rows)
    texts = {row.value(SOURCE) for row in rows} - {""}
    templates = {row.value(TEMPLATE_COURSE) for row in rows} - {""}
    ids = {number for text in texts if not text.startswith("0") and (number := as_id(text)) is not None}
    names = {text for text in texts if as_id(text) is None or text.startswith("0")} | templates
    wanted = {row.value("shortname") for row in rows if not check_short_name(row.value("shortname"))}
    client.load(ids=ids, shortnames=names | wanted)
    by_name = {str(number) for number in ids if not _is_known(client, number)}
    client.load(shortnames=by_name)
    numbers = {text for text in (names | by_name) - templates if not _has_name(client, text)}
    client.load(idnumbers=numbers | {row.value("idnumber") for row in rows})


def _is_known(client: BulkClient, number: int) -> bool:
    try:
        return client.course_by_id(number) is not None
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError:
        return True


def _has_name(client: BulkClient, text: str) -> bool:
    try:
        return bool(client.courses_by_shortname(text))
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError:
        return False


def _check(plan: Plan, row: PlanRow, categories: Categories, client: BulkClient) -> Verdict:
    verdict = Verdict()
    for column, message in row.file_problems:
        verdict.object_to(column, message)
    cells = read_cells(row.values, plan.options, visible=plan.visible)
    for column, message in cells.problems.items():
        verdict.object_to(column, message)
    try:
        verdict.source = _find_source(row, verdict, client)
        verdict.place = _find_category(row, verdict, categories)
        draft = Draft(
            source=str(verdict.source.id) if verdict.source else "",
            by_id=True,
            fullname=row.value("fullname"),
            shortname=row.value("shortname"),
            category_id=verdict.place.category.id if verdict.place else 0,
            visible=cells.visible,
            options=cells.options,
            startdate=cells.startdate,
            enddate=cells.enddate,
            idnumber=row.value("idnumber"),
            not_before=cells.start,
        )
        request = _prepare(draft, verdict, client)
        if request is not None:
            _require_allowed(plan.owner, request, verdict, client)
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError as error:
        verdict.object_to("", f"dupdash could not check this row in Moodle. {error}")
        return verdict
    if not verdict.problems:
        verdict.request = request
    return verdict


def _find_source(row: PlanRow, verdict: Verdict, client: BulkClient) -> Course | None:
    """Find the source that one of two columns names, and report a problem if there is no such course.

    ``source`` contains an id, short name or ID number. ``templatecourse``, as in Moodle's own files, is a short name.
    """
    text, template = row.value(SOURCE), row.value(TEMPLATE_COURSE)
    if not text and not template:
        verdict.object_to(SOURCE, "Enter the course to copy: its id, its short name or its ID number.")
        return None
    found = find_source(text, client) if text else find_by_name(template, client.courses_by_shortname)
    if found is None:
        verdict.object_to(SOURCE, f"Moodle has no course “{text or template}”.")
    elif text and template:
        other = find_by_name(template, client.courses_by_shortname)
        if other is None or other.id != found.id:
            verdict.object_to(SOURCE, "The columns source and templatecourse name different courses.")
    return found


def _find_category(row: PlanRow, verdict: Verdict, categories: Categories) -> Place | None:
    ways = (
        (CATEGORY, categories.find),
        (CATEGORY_IDNUMBER, categories.find_by_idnumber),
        (CATEGORY_PATH, categories.find_by_path),
    )
    found: list[Place] = []
    for column, find in ways:
        if text := row.value(column):
            try:
                found.append(find(text))
            except CategoryNotFound as error:
                verdict.object_to(column, str(error))
                return None
    if not found:
        verdict.object_to(CATEGORY, "Enter the category for the copy: its id, its ID number or its path.")
        return None
    if len({place.category.id for place in found}) > 1:
        verdict.object_to(CATEGORY, "The category columns of this row name different categories.")
        return None
    if found[0].hidden:
        verdict.warnings.append((CATEGORY, "This category is hidden: students will not see the copy.", ""))
    return found[0]


def _prepare(draft: Draft, verdict: Verdict, client: BulkClient) -> DuplicationRequest | None:
    try:
        return prepare(draft, Origin.FILE, client)
    except InvalidRequest as invalid:
        for problem in invalid.problems:
            # This problem was already reported, with the text of the cell.
            if (problem.field == "source" and verdict.source is None) or (
                problem.field == "category" and verdict.place is None
            ):
                continue
            _add(problem, verdict)
        return None


def _add(problem: Problem, verdict: Verdict) -> None:
    column = COLUMNS.get(problem.field, problem.field)
    verdict.object_to(column, problem.text(in_full=True), problem.job.pk if problem.job else "")


def _require_allowed(owner: "User | None", request: DuplicationRequest, verdict: Verdict, client: BulkClient) -> None:
    try:
        access.require_submit(owner, request, client)
    except NotAllowed as refusal:
        verdict.object_to(SOURCE, str(refusal))


def _found(verdict: Verdict) -> dict[str, object]:
    """Return the names of the source and of the category that pages show for the row."""
    source = verdict.source
    return {
        "source_id": source.id if source else None,
        "source_fullname": source.fullname if source else "",
        "source_shortname": source.shortname if source else "",
        "category": verdict.place.path if verdict.place else "",
    }

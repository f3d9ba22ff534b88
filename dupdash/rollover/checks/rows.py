"""Checks rows of a plan against Moodle and the existing jobs, and stores the problems of each row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
from django.contrib.auth.models import User

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

# The column that shows a problem of this field of a request, where their names differ.
COLUMNS = {"source": SOURCE, "category": CATEGORY}


@dataclass
class RowResult:
    """The result of checking one row."""

    problems: list[tuple[str, str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str, str]] = field(default_factory=list)
    source: Course | None = None
    place: Place | None = None
    request: DuplicationRequest | None = None

    def add_problem(self, column: str, message: str, job_id: str = "") -> None:
        self.problems.append((column, message, job_id))


def check_rows(plan: Plan, rows: Sequence[PlanRow], client: BulkClient) -> None:
    """Check these rows and set the results in them, without saving the rows.

    Raises MoodleError if Moodle cannot be reached, or if the categories cannot be read.
    """
    _load(rows, client)
    categories = Categories(client.categories())
    results = [(row, _check(plan, row, categories, client)) for row in rows]
    earlier = EarlierCopies(result.source.id for _, result in results if result.source)
    for row, result in results:
        _look_for_earlier_copy(plan, row, result, earlier)
        row.problems = [list(problem) for problem in result.problems]
        row.warnings = [list(warning) for warning in result.warnings]
        row.shortname_key = short_name_key(row.value("shortname"))[:300]
        row.idnumber_key = short_name_key(row.value("idnumber"))[:300]
        row.request = msgspec.to_builtins(result.request) if result.request else None
        row.found = _found(result)
        row.level = level_of(row)


def _look_for_earlier_copy(plan: Plan, row: PlanRow, result: RowResult, earlier: EarlierCopies) -> None:
    copy = earlier.of(result.request) if result.request else None
    if copy is None:
        return
    message = f"This course was already copied to this term: “{isolate(copy.shortname)}”."
    result.warnings.append((SOURCE, message, copy.pk))
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
    """Return whether Moodle has a course with this id.

    True after an error, because the check of the row then reports the error.
    """
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


def _check(plan: Plan, row: PlanRow, categories: Categories, client: BulkClient) -> RowResult:
    result = RowResult()
    for column, message in row.file_problems:
        result.add_problem(column, message)
    cells = read_cells(row.values, plan.options, visible=plan.visible)
    for column, message in cells.problems.items():
        result.add_problem(column, message)
    try:
        result.source = _find_source(row, result, client)
        result.place = _find_category(row, result, categories)
        draft = Draft(
            source=str(result.source.id) if result.source else "",
            by_id=True,
            fullname=row.value("fullname"),
            shortname=row.value("shortname"),
            category_id=result.place.category.id if result.place else 0,
            visible=cells.visible,
            options=cells.options,
            startdate=cells.startdate,
            enddate=cells.enddate,
            idnumber=row.value("idnumber"),
            not_before=cells.start,
        )
        request = _prepare(draft, result, client)
        if request is not None:
            _require_allowed(plan.owner, request, result, client)
    except (NotSent, ConfigurationFault):
        raise
    except MoodleError as error:
        result.add_problem("", f"dupdash could not check this row in Moodle. {error}")
        return result
    if not result.problems:
        result.request = request
    return result


def _find_source(row: PlanRow, result: RowResult, client: BulkClient) -> Course | None:
    """Find the source that one of two columns names, and report a problem if there is no such course.

    ``source`` contains an id, short name or ID number. ``templatecourse``, as in Moodle's own files, is a short name.
    """
    text, template = row.value(SOURCE), row.value(TEMPLATE_COURSE)
    if not text and not template:
        result.add_problem(SOURCE, "Enter the course to copy: its id, its short name or its ID number.")
        return None
    found = find_source(text, client) if text else find_by_name(template, client.courses_by_shortname)
    if found is None:
        result.add_problem(SOURCE, f"Moodle has no course “{text or template}”.")
    elif text and template:
        other = find_by_name(template, client.courses_by_shortname)
        if other is None or other.id != found.id:
            result.add_problem(SOURCE, "The columns source and templatecourse name different courses.")
    return found


def _find_category(row: PlanRow, result: RowResult, categories: Categories) -> Place | None:
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
                result.add_problem(column, str(error))
                return None
    if not found:
        result.add_problem(CATEGORY, "Enter the category for the copy: its id, its ID number or its path.")
        return None
    if len({place.category.id for place in found}) > 1:
        result.add_problem(CATEGORY, "The category columns of this row name different categories.")
        return None
    if found[0].hidden:
        result.warnings.append((CATEGORY, "This category is hidden: students will not see the copy.", ""))
    return found[0]


def _prepare(draft: Draft, result: RowResult, client: BulkClient) -> DuplicationRequest | None:
    try:
        return prepare(draft, Origin.FILE, client)
    except InvalidRequest as invalid:
        for problem in invalid.problems:
            # This problem was already reported, with the text of the cell.
            if (problem.field == "source" and result.source is None) or (
                problem.field == "category" and result.place is None
            ):
                continue
            _add(problem, result)
        return None


def _add(problem: Problem, result: RowResult) -> None:
    column = COLUMNS.get(problem.field, problem.field)
    result.add_problem(column, problem.text(in_full=True), problem.job.pk if problem.job else "")


def _require_allowed(owner: User | None, request: DuplicationRequest, result: RowResult, client: BulkClient) -> None:
    try:
        access.require_submit(owner, request, client)
    except NotAllowed as refusal:
        result.add_problem(SOURCE, str(refusal))


def _found(result: RowResult) -> dict[str, object]:
    """Return what pages show for the row: the id and names of the source, and the path of the category.

    The id is None, and the texts are empty, if they were not found.
    """
    source = result.source
    return {
        "source_id": source.id if source else None,
        "source_fullname": source.fullname if source else "",
        "source_shortname": source.shortname if source else "",
        "category": result.place.path if result.place else "",
    }

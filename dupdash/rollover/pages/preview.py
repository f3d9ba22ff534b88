"""Collects what the page of a plan shows: its totals, and one page of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from dupdash.duplication.course_settings import LABELS
from dupdash.rollover.batches.progress import expected_duration
from dupdash.rollover.checks.conflicts_between_rows import conflict_message
from dupdash.rollover.models import Level, Plan, PlanRow
from dupdash.rollover.reading.columns import CATEGORY, CATEGORY_IDNUMBER, CATEGORY_PATH, KNOWN, SOURCE, TEMPLATE_COURSE
from dupdash.web.presentation.components import Tab

PAGE = 50
ALL, EXCLUDED = "all", "excluded"
VIEWS = (
    (ALL, "All"),
    (Level.ERROR.value, "Errors"),
    (Level.WARNING.value, "Warnings"),
    (Level.OK.value, "No problems"),
    (EXCLUDED, "Excluded"),
)


@dataclass(frozen=True)
class Remark:
    """A problem or warning of a row, with the label of its column and the URL of the job that causes it, or ""."""

    label: str
    message: str
    job_url: str = ""


@dataclass(frozen=True)
class ShownRow:
    number: int
    included: bool
    level: str
    source: str
    source_fullname: str
    fullname: str
    shortname: str
    category: str
    # The requested dates and ID number: label and value.
    settings: tuple[tuple[str, str], ...]
    remarks: tuple[Remark, ...]
    warnings: tuple[Remark, ...]


@dataclass(frozen=True)
class Preview:
    tabs: Sequence[Tab]
    rows: Sequence[ShownRow]
    included: int
    errors: int
    previous_url: str
    next_url: str
    summary: str
    # The URL of this page of rows, to return to it after a row was changed.
    here: str
    duration: timedelta | None


def preview_of(plan: Plan, query: Mapping[str, str]) -> Preview:
    """Return what the page of a plan shows.

    ``query``: ``view`` is one of VIEWS (by default the errors, if there are any, otherwise all rows), and ``page`` a
    number from 1.
    """
    counts = plan.rows.aggregate(
        all=Count("pk"),
        **{level.value: Count("pk", filter=Q(included=True, level=level)) for level in Level if level.value},
        excluded=Count("pk", filter=Q(included=False)),
        included=Count("pk", filter=Q(included=True)),
    )
    view = query.get("view", "")
    if view not in dict(VIEWS):
        view = Level.ERROR.value if counts[Level.ERROR.value] else ALL
    pages = Paginator(_rows(plan, view), PAGE)
    page = pages.get_page(query.get("page"))
    sources = plan.rows.filter(included=True, level__in=(Level.OK, Level.WARNING))
    return Preview(
        tabs=[Tab(label, _url(plan, name), name == view, counts[name]) for name, label in VIEWS],
        rows=[shown_row(row) for row in page],
        included=counts["included"],
        errors=counts[Level.ERROR.value],
        previous_url=_url(plan, view, page.number - 1) if page.has_previous() else "",
        next_url=_url(plan, view, page.number + 1) if page.has_next() else "",
        summary=f"{page.start_index()} to {page.end_index()} of {pages.count:,}" if page.has_other_pages() else "",
        here=_url(plan, view, page.number),
        duration=expected_duration(
            source for source in sources.values_list("found__source_id", flat=True) if isinstance(source, int)
        ),
    )


def _rows(plan: Plan, view: str) -> QuerySet[PlanRow]:
    if view == ALL:
        return plan.rows.all()
    return plan.rows.filter(included=False) if view == EXCLUDED else plan.rows.filter(included=True, level=view)


def _url(plan: Plan, view: str, page: int = 1) -> str:
    query = {"view": view} | ({"page": str(page)} if page > 1 else {})
    return f"{reverse('rollover:plan', args=[plan.pk])}?{urlencode(query)}"


def shown_row(row: PlanRow) -> ShownRow:
    found = row.found
    category = row.value(CATEGORY) or row.value(CATEGORY_IDNUMBER) or row.value(CATEGORY_PATH)
    remarks = [_remark(problem) for problem in row.problems]
    if row.conflict_row is not None:
        remarks.append(Remark(KNOWN[row.conflict_column].label, conflict_message(row)))
    return ShownRow(
        number=row.number,
        included=row.included,
        level=row.level,
        source=found.get("source_shortname") or row.value(SOURCE) or row.value(TEMPLATE_COURSE),
        source_fullname=found.get("source_fullname", ""),
        fullname=row.value("fullname"),
        shortname=row.value("shortname"),
        category=found.get("category") or category,
        settings=tuple((label, row.value(name)) for name, label in LABELS.items() if row.value(name)),
        remarks=tuple(remarks),
        warnings=tuple(_remark(warning) for warning in row.warnings),
    )


def _remark(stored: Sequence[str]) -> Remark:
    column, message, job_id = stored
    label = KNOWN[column].label if column in KNOWN else ""
    return Remark(label, message, reverse("jobs:job", args=[job_id]) if job_id else "")

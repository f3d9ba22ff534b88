"""How long copies take, against how much there is to copy."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from dupdash.web.insights import figures
from dupdash.web.insights.chart import HEIGHT, Chart, Figure, Table, lines, seconds, some, tick
from dupdash.web.insights.drawing import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Drawing, grid
from dupdash.web.insights.figures import Copied, Distribution
from dupdash.web.insights.period import Period

# Points that would lie upon one another are drawn as one larger one: ten thousand would weigh half a megabyte.
CELL = 8
# Most activities of a line of the table.
SIZES: tuple[float, ...] = (10, 30, 100, 300, 1000, float("inf"))
X_MARKS = (0, 3, 10, 30, 100, 300, 1000, 3000, 10000)
Y_MARKS = (0.1, 1, 10, 60, 600, 3600, 36000)
# What was quicker stands with these seconds: a logarithm has no place for nothing.
QUICKEST = 0.1


def durations_chart(period: Period) -> Chart:
    copied, left_out = figures.durations(period)
    copied.sort()
    middle = Distribution(tuple(sorted(copy.seconds for copy in copied))).median
    note = "From the request to Moodle to the complete copy; both axes are logarithmic."
    if left_out:
        note += f" Left out: {some(left_out, 'copy', 'copies')} whose end was only found out later."
    return Chart(
        id="durations",
        title="Duration against activities",
        says=f"Half of {some(len(copied), 'copy', 'copies')} took {seconds(middle)} or less." if middle else "",
        table=Table(
            ("Activities in the source", "Copies", "Half took at most", "Nine of ten", "Longest"),
            lines(_by_size(copied)),
        ),
        file_heads=("Activities in the source", "Seconds"),
        file_rows=copied,
        drawing=_scatter(copied) if copied else None,
        note=note,
        figures=(Figure(seconds(middle), "Median duration"),) if middle else (),
    )


def _by_size(copied: Sequence[Copied]) -> list[tuple[str, int, str, str, str]]:
    """The scattered points, told in a few lines."""
    found = []
    least = 0
    for most in SIZES:
        spread = Distribution(tuple(sorted(copy.seconds for copy in copied if least <= copy.activities <= most)))
        if spread.median is not None and spread.ninetieth is not None:
            size = f"{least:,} to {most:,}" if most < SIZES[-1] else f"{least:,} and more"
            half, nine, longest = map(seconds, (spread.median, spread.ninetieth, spread.values[-1]))
            found.append((size, len(spread.values), half, nine, longest))
        least = int(most) + 1 if most < SIZES[-1] else least
    return found


@dataclass(frozen=True)
class Plane:
    """Both axes are logarithmic. An empty course has a place, too: activities are counted from 1."""

    most: float
    quickest: float
    longest: float
    bottom = HEIGHT - BOTTOM

    @classmethod
    def of(cls, copied: Sequence[Copied]) -> "Plane":
        lengths = [copy.seconds for copy in copied]
        most = max(copy.activities for copy in copied)
        return cls(
            most=log10(max(10, 1 + most)),
            quickest=log10(max(QUICKEST, min(1.0, *lengths))),
            longest=log10(max(10.0, *lengths)),
        )

    def x(self, activities: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(1 + activities) / self.most

    def y(self, length: float) -> float:
        share = (log10(max(QUICKEST, length)) - self.quickest) / (self.longest - self.quickest)
        return self.bottom - (self.bottom - TOP) * share


def _scatter(copied: Sequence[Copied]) -> Drawing:
    drawing = Drawing(HEIGHT + 20)
    plane = Plane.of(copied)
    grid(drawing, [(plane.y(mark), tick(mark)) for mark in Y_MARKS if plane.quickest <= log10(mark) <= plane.longest])
    for mark in X_MARKS:
        if log10(1 + mark) <= plane.most:
            drawing.line(plane.x(mark), TOP, plane.x(mark), plane.bottom, "grid")
            drawing.text(plane.x(mark), plane.bottom + 18, f"{mark:,}")
    drawing.text((LEFT + WIDTH - RIGHT) / 2, plane.bottom + 40, "Activities in the source")
    drawing.line(LEFT, plane.bottom, WIDTH - RIGHT, plane.bottom, "axis")
    drawing.points(_gathered(copied, plane), "series-1")
    return drawing


def _gathered(copied: Sequence[Copied], plane: Plane) -> list[tuple[float, float, float, str]]:
    """One circle for all copies of a cell, in the middle of them, the larger the more there are."""
    columns = {activities: plane.x(activities) for activities in {copy.activities for copy in copied}}
    cells: dict[tuple[int, int], list[tuple[float, float, Copied]]] = {}
    for copy in copied:
        x, y = columns[copy.activities], plane.y(copy.seconds)
        cells.setdefault((int(x / CELL), int(y / CELL)), []).append((x, y, copy))
    return [_circle(inside) for inside in cells.values()]


def _circle(inside: Sequence[tuple[float, float, Copied]]) -> tuple[float, float, float, str]:
    count = len(inside)
    # They come sorted by their activities.
    few, many = inside[0][2].activities, inside[-1][2].activities
    size = f"{few:,}" if few == many else f"{few:,} to {many:,}"
    mean = seconds(sum(copy.seconds for _, _, copy in inside) / count)
    hint = f"{some(count, 'copy', 'copies')} of {size} activities: {mean if count == 1 else f'{mean} on average'}"
    radius = min(2.5 + 1.8 * log10(count), CELL)
    return sum(x for x, _, _ in inside) / count, sum(y for _, y, _ in inside) / count, radius, hint

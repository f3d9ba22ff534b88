"""Plain drawings as SVG: what is drawn says where, ``components.css`` says in which colours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import floor, log10

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH = 640
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 28


def n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@dataclass
class Drawing:
    """An SVG of ``WIDTH`` by ``height``, drawn from back to front."""

    height: int
    parts: list[SafeString] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(
            format_html('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', kind, n(x1), n(y1), n(x2), n(y2))
        )

    def text(self, x: float, y: float, words: str, *, anchor: str = "middle", kind: str = "") -> None:
        self.parts.append(
            format_html('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', kind, n(x), n(y), anchor, words)
        )

    def bar(self, x: float, y: float, width: float, height: float, series: str, hint: str) -> None:
        self.parts.append(
            format_html(
                '<rect class="area {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
                series, n(x), n(y), n(max(0.5, width)), n(height), hint,
            )
        )  # fmt: skip

    def points(self, places: Iterable[tuple[float, float, float, str]], series: str) -> None:
        """Each with its place, its radius, and what it stands for."""
        circles = format_html_join(
            "",
            '<circle class="area" cx="{}" cy="{}" r="{}"><title>{}</title></circle>',
            ((n(x), n(y), n(radius), hint) for x, y, radius, hint in places),
        )
        self.parts.append(format_html('<g class="{}" fill-opacity="0.5">{}</g>', series, circles))

    def svg(self, title: str, description: str, style: str = "") -> SafeString:
        """``style`` for a file of its own; within a page the page's stylesheet is in force."""
        inner = format_html_join("\n", "{}", ((part,) for part in self.parts))
        return format_html(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img"{}>'
            "<title>{}</title><desc>{}</desc>{}{}</svg>",
            WIDTH, self.height, format_html(' class="{}"', "chart") if style else "", title, description,
            format_html("<style>{}</style>", style) if style else "", inner,
        )  # fmt: skip


def steps(highest: float, at_most: int = 5) -> list[int]:
    """Round whole numbers from 0 to the first one that is not below ``highest``."""
    wanted = max(1.0, highest / at_most)
    size = 10 ** floor(log10(wanted))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= wanted)
    ends, value = [0], 0
    while value < highest or value == 0:
        value += step
        ends.append(value)
    return ends


def grid(drawing: Drawing, marks: Sequence[tuple[float, str]]) -> None:
    """Lines across the plot at these heights, each with its figure."""
    for y, words in marks:
        drawing.line(LEFT, y, WIDTH - RIGHT, y, "grid")
        drawing.text(LEFT - 8, y + 4, words, anchor="end")

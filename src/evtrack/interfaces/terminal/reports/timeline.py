"""Draws the course of a job: bars for a terminal, and an SVG of its own."""

from collections.abc import Sequence
from html import escape
from typing import Final

from rich.table import Table
from rich.text import Text

from evtrack.interfaces.terminal.text import moment
from evtrack.storage.reports.history import Moment

_ROWS: Final = 24
_WIDTH: Final = 40
_LAYERS: Final = (
    ("done", "green", "#2e9e4f"),
    ("failed", "red", "#d9a514"),
    ("crashed", "magenta", "#c8372d"),
    ("cancelled", "bright_black", "#8a8a8a"),
    ("running", "cyan", "#3b82c4"),
    ("pending", "white", "#dddddd"),
)
_MARKS: Final = {"done": "█", "failed": "x", "crashed": "X", "cancelled": "-", "running": "▒", "pending": "·"}


def course_table(course: Sequence[Moment]) -> Table:
    """Draw a bar a moment, at most 24 of them.

    Args:
        course: At least one moment.

    Returns:
        The table.
    """
    legend = " ".join(f"{_MARKS[name]} {name}" for name, _, _ in _LAYERS)
    table = Table(box=None, pad_edge=False, caption=legend, caption_justify="left", caption_style="")
    table.add_column("time", no_wrap=True)
    table.add_column("items", min_width=_WIDTH, no_wrap=True)
    table.add_column("done", justify="right", no_wrap=True)
    most = max(_sum(each) for each in course) or 1
    step = max(1, -(-len(course) // _ROWS))
    for each in [*course[:-1:step], course[-1]]:
        bar, drawn, upto = Text(), 0, 0
        for name, colour, _ in _LAYERS:
            upto += getattr(each, name)
            cells = round(_WIDTH * upto / most) - drawn
            bar.append(_MARKS[name] * cells, style=colour)
            drawn += cells
        table.add_row(moment(each.at), bar, f"{each.done:,}")
    return table


def course_svg(course: Sequence[Moment], *, title: str, width: int = 800, height: int = 320) -> str:
    """Draw the course as a stacked area chart.

    Args:
        course: At least one moment.
        title: What it is of.
        width: In pixels.
        height: In pixels.

    Returns:
        An SVG document.
    """
    left, top, right, bottom = 60, 30, width - 20, height - 50
    first, last = course[0].at, course[-1].at
    span, most = max((last - first).total_seconds(), 1.0), max(_sum(each) for each in course) or 1

    def x(each: Moment) -> float:
        return round(left + (right - left) * (each.at - first).total_seconds() / span, 1)

    def y(number: int) -> float:
        return round(bottom - (bottom - top) * number / most, 1)

    areas: list[str] = []
    below = [0] * len(course)
    for place, (name, _, colour) in enumerate(_LAYERS):
        above = [under + int(getattr(each, name)) for under, each in zip(below, course, strict=True)]
        points = [(x(each), y(number)) for each, number in zip(course, above, strict=True)]
        points += [(x(each), y(number)) for each, number in reversed(list(zip(course, below, strict=True)))]
        drawn = " ".join(f"{across},{up}" for across, up in points)
        areas.append(f'<polygon points="{drawn}" fill="{colour}"><title>{name}</title></polygon>')
        label = left + place * 110
        areas.append(f'<rect x="{label}" y="{height - 18}" width="10" height="10" fill="{colour}"/>')
        areas.append(f'<text x="{label + 14}" y="{height - 9}">{name}</text>')
        below = above
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-size="12"',
            '     font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="{left}" y="18" font-size="14">{escape(title)}</text>',
            *areas,
            f'<path d="M{left},{top} V{bottom} H{right}" fill="none" stroke="black"/>',
            f'<text x="{left - 6}" y="{top + 4}" text-anchor="end">{most:,}</text>',
            f'<text x="{left - 6}" y="{bottom}" text-anchor="end">0</text>',
            f'<text x="{left}" y="{bottom + 16}">{moment(first)}</text>',
            f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{moment(last)}</text>',
            "</svg>",
            "",
        ]
    )


def _sum(each: Moment) -> int:
    return sum(getattr(each, name) for name, _, _ in _LAYERS)

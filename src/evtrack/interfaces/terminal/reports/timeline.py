"""Draw how a job's items changed over time: bars for a terminal, or an SVG chart."""

from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import Final, NamedTuple

from rich.table import Table
from rich.text import Text

from evtrack.interfaces.words.formatting import moment
from evtrack.storage.reports.history import TimelinePoint

_ROWS: Final = 24
_WIDTH: Final = 40


class _Layer(NamedTuple):
    """How the items of one status are drawn."""

    status: str
    mark: str
    style: str
    fill: str


_LAYERS: Final = (
    _Layer("done", "█", "green", "#2e9e4f"),
    _Layer("failed", "x", "red", "#d9a514"),
    _Layer("crashed", "X", "magenta", "#c8372d"),
    _Layer("cancelled", "-", "bright_black", "#8a8a8a"),
    _Layer("running", "▒", "cyan", "#3b82c4"),
    _Layer("pending", "·", "white", "#dddddd"),
)


def timeline_table(timeline: Sequence[TimelinePoint]) -> Table:
    """Draw a timeline for a terminal.

    Args:
        timeline: At least one moment.

    Returns:
        A table with a bar for each of at most 24 moments.
    """
    legend = " ".join(f"{layer.mark} {layer.status}" for layer in _LAYERS)
    table = Table(box=None, pad_edge=False, caption=legend, caption_justify="left", caption_style="")
    table.add_column("TIME", no_wrap=True)
    table.add_column("ITEMS", min_width=_WIDTH, no_wrap=True)
    table.add_column("DONE", justify="right", no_wrap=True)
    most = max(_total(each) for each in timeline) or 1
    step = max(1, -(-len(timeline) // _ROWS))
    for each in [*timeline[:-1:step], timeline[-1]]:
        bar, drawn = Text(), 0
        for layer, upper in zip(_LAYERS, accumulate(_counts(each)), strict=True):
            cells = round(_WIDTH * upper / most) - drawn
            bar.append(layer.mark * cells, style=layer.style)
            drawn += cells
        table.add_row(moment(each.at), bar, f"{each.done:,}")
    return table


def timeline_svg(timeline: Sequence[TimelinePoint], *, title: str, width: int = 800, height: int = 320) -> str:
    """Draw a timeline as a stacked area chart.

    Args:
        timeline: At least one moment.
        width: The width in pixels.
        height: The height in pixels.

    Returns:
        An SVG document.
    """
    left, top, right, bottom = 60, 30, width - 20, height - 50
    first, last = timeline[0].at, timeline[-1].at
    span, most = max((last - first).total_seconds(), 1.0), max(_total(each) for each in timeline) or 1

    def x(each: TimelinePoint) -> float:
        return round(left + (right - left) * (each.at - first).total_seconds() / span, 1)

    def y(number: int) -> float:
        return round(bottom - (bottom - top) * number / most, 1)

    areas: list[str] = []
    below = [0] * len(timeline)
    for place, layer in enumerate(_LAYERS):
        above = [under + _counts(each)[place] for under, each in zip(below, timeline, strict=True)]
        points = [(x(each), y(number)) for each, number in zip(timeline, above, strict=True)]
        points += [(x(each), y(number)) for each, number in reversed(list(zip(timeline, below, strict=True)))]
        outline = " ".join(f"{across},{up}" for across, up in points)
        areas.append(f'<polygon points="{outline}" fill="{layer.fill}"><title>{layer.status}</title></polygon>')
        label = left + place * 110
        areas.append(f'<rect x="{label}" y="{height - 18}" width="10" height="10" fill="{layer.fill}"/>')
        areas.append(f'<text x="{label + 14}" y="{height - 9}">{layer.status}</text>')
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


def _counts(each: TimelinePoint) -> tuple[int, ...]:
    return tuple(getattr(each, layer.status) for layer in _LAYERS)


def _total(each: TimelinePoint) -> int:
    return sum(_counts(each))

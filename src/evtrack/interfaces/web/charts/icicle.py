"""The tree of a hunt as an icicle: from left to right the items, a row a generation, each batch over its items."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

Spans = Sequence[tuple[int, int]]
"""Half-open ranges of ordinals, in order."""

FATES: Final = ("suspect", "poison", "completed", "running", "pending", "failed", "crashed", "cancelled", "split")
"""What may have become of a block, in the order of the legend."""

_HATCHED: Final = {
    "suspect": '<path d="M0 8L8 0"/>',
    "poison": '<path d="M0 8L8 0M0 0L8 8"/>',
    "crashed": '<path d="M0 8L8 0M0 0L8 8"/>',
    "failed": '<path d="M0 4H8"/>',
    "cancelled": '<path d="M4 0V8"/>',
    "pending": '<path d="M4 4h1"/>',
    "running": '<path d="M0 4H4"/>',
}
_ROW: Final = 30
_LEAST_ROW: Final = 8
_TALLEST: Final = 560
_LABELLED_ROW: Final = 18
_GAP: Final = 2
_LEAST_WIDTH: Final = 0.6
"""Percent of the width."""

_LABELLED_WIDTH: Final = 3.5
_COUNTED_WIDTH: Final = 14.0
_MERGED: Final = 0.15
_OVER: Final = frozenset(("poison", "completed", "failed", "crashed", "cancelled"))
"""Fates that last: the items of such a block are in no later row."""

SOUGHT: Final = frozenset(("poison", "suspect", "crashed"))
"""What one looks for is seen, however small its share."""

_LABELS: Final = 4
_LABEL_HEIGHT: Final = 20
_CHARACTER: Final = 0.95
"""Percent of the width of a character of a label, where the picture is 800 pixels wide."""


@dataclass(frozen=True, slots=True)
class IcicleBlock:
    """A batch.

    Args:
        number: Its number, for the label.
        row: How many batches held its items before.
        kept: The items that it still has.
        moved: The items that it began with, and that are in other batches now.
        fate: What became of those that it has, one of FATES.
        label: What is written below it, if there is room; printable.
    """

    number: int
    row: int
    kept: Spans
    moved: Spans
    fate: str
    label: str = ""


def icicle(blocks: Sequence[IcicleBlock], items: Spans, *, here: int = 0) -> Markup:
    """Draw a hunt.

    Args:
        blocks: Its batches; at least one.
        items: The items of the submitted batch.
        here: The number of a batch to stress; 0 for none.

    Returns:
        An SVG element of any width, with a description for screen readers and no links.
    """
    rows = 1 + max(block.row for block in blocks)
    height = min(_ROW, max(_LEAST_ROW, _TALLEST // rows))
    scale = _Scale(items)
    trails = [part for block in blocks for part in _trails(block, scale, height, rows)]
    drawn = [part for block in blocks for part in _block(block, scale, height, is_here=block.number == here)]
    labels, lines = _labels(blocks, scale, height, rows)
    return Markup('<svg class="icicle" width="100%" height="{}" role="img" aria-label="{}">{}{}{}{}</svg>').format(
        rows * height + lines * _LABEL_HEIGHT,
        _description(blocks, scale.total, rows),
        _patterns(),
        Markup("").join(trails),
        Markup("").join(labels),
        Markup("").join(drawn),
    )


def swatch(fate: str) -> Markup:
    """Draw a sample for the legend of an icicle on the same page.

    Args:
        fate: One of FATES.
    """
    return Markup('<svg class="fate" width="18" height="14" aria-hidden="true">{}</svg>').format(
        _rectangle(fate, "0", "100%", 0, 14)
    )


class _Scale:
    """Turns ordinals into percents of the width: those of the submitted batch, without gaps."""

    def __init__(self, items: Spans) -> None:
        self.total = sum(past - first for first, past in items)
        self._items = items

    def percent(self, ordinal: int) -> float:
        """Return where an item begins."""
        before = sum(min(past, ordinal) - first for first, past in self._items if first < ordinal)
        return 100 * before / max(self.total, 1)

    def ranges(self, spans: Spans) -> list[tuple[float, float]]:
        """Return from where to where spans reach; what is drawn as one is one."""
        found: list[tuple[float, float]] = []
        for first, past in spans:
            begin, end = self.percent(first), self.percent(past)
            if found and begin - found[-1][1] < _MERGED:
                found[-1] = (found[-1][0], end)
            else:
                found.append((begin, end))
        return found


def _trails(block: IcicleBlock, scale: _Scale, height: int, rows: int) -> list[Markup]:
    """Draw what became of items down to the bottom, so that the last row shows the fate of each."""
    top = (block.row + 1) * height
    if block.fate not in _OVER or block.row + 1 == rows:
        return []
    trail = Markup('<rect class="trail f-{}" x="{:.2f}%" y="{}" width="{:.2f}%" height="{}"/>')
    return [
        trail.format(block.fate, begin, top, end - begin, rows * height - top)
        for begin, end in scale.ranges(block.kept)
    ]


def _block(block: IcicleBlock, scale: _Scale, height: int, *, is_here: bool) -> list[Markup]:
    top, inner = block.row * height, height - _GAP
    parts, widest = [], (0.0, 0.0)
    for begin, end in scale.ranges(block.moved):
        parts.append(_rectangle("split", f"{begin:.2f}%", f"{end - begin:.2f}%", top, inner, is_here=is_here))
        if not block.kept:
            widest = max(widest, (end - begin, (begin + end) / 2))
    for left, width in _kept(block, scale):
        parts.append(_rectangle(block.fate, f"{left:.2f}%", f"{width:.2f}%", top, inner, is_here=is_here))
        widest = max(widest, (width, left + width / 2))
    if height >= _LABELLED_ROW and widest[0] >= _LABELLED_WIDTH:
        items = sum(past - first for first, past in block.kept or block.moved)
        counted = Markup("<tspan> {:,} item{}</tspan>").format(items, "" if items == 1 else "s")
        parts.append(
            Markup('<text class="f-{}" x="{:.2f}%" y="{:g}" text-anchor="middle">{}{}</text>').format(
                block.fate,
                widest[1],
                top + inner / 2 + 4,
                block.number,
                counted if widest[0] >= _COUNTED_WIDTH else "",
            )
        )
    return parts


def _kept(block: IcicleBlock, scale: _Scale) -> list[tuple[float, float]]:
    """Return from where and how wide the items are drawn that a block has kept."""
    found = []
    for begin, end in scale.ranges(block.kept):
        width = max(end - begin, _LEAST_WIDTH) if block.fate in SOUGHT else end - begin
        found.append((min(begin, 100 - width), width))
    return found


def _labels(blocks: Sequence[IcicleBlock], scale: _Scale, height: int, rows: int) -> tuple[list[Markup], int]:
    """Write labels below the rows, each below its block.

    Returns:
        What is drawn, and how many lines it takes.
    """
    leads: list[Markup] = []
    names: list[Markup] = []
    ends: list[float] = []
    named = [(*_kept(block, scale)[0], block) for block in blocks if block.label and block.kept]
    for left, width, block in sorted(named, key=lambda each: each[0]):
        middle, half = left + width / 2, _CHARACTER * (len(block.label) + 2) / 2
        centre = min(max(middle, half), 100 - half)
        line = next((place for place, end in enumerate(ends) if end <= centre - half), len(ends))
        if line == _LABELS or half > 50:  # noqa: PLR2004  wider than the picture
            continue
        ends[line : line + 1] = [centre + half]
        bottom = rows * height + line * _LABEL_HEIGHT
        leads.append(
            Markup('<line class="lead f-{0}" x1="{1:.2f}%" x2="{1:.2f}%" y1="{2}" y2="{3}"/>').format(
                block.fate, middle, (block.row + 1) * height - _GAP, rows * height + 4
            )
        )
        names.append(
            Markup('<text class="name f-{}" x="{:.2f}%" y="{}" text-anchor="middle">{}</text>').format(
                block.fate, centre, bottom + 16, block.label
            )
        )
    return [*leads, *names], len(ends)


def _rectangle(fate: str, x: str, width: str, y: int, height: int, *, is_here: bool = False) -> Markup:
    shape = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"{}/>')
    drawn = shape.format(f"f-{fate}{' here' if is_here else ''}", x, y, width, height, "")
    if fate in _HATCHED:
        drawn += shape.format("hatch", x, y, width, height, Markup(' fill="url(#hatch-{})"').format(fate))
    return drawn


def _patterns() -> Markup:
    pattern = Markup('<pattern id="hatch-{}" width="8" height="8" patternUnits="userSpaceOnUse">{}</pattern>')
    drawn = [pattern.format(fate, Markup(lines)) for fate, lines in _HATCHED.items()]  # noqa: S704  constants
    return Markup("<defs>{}</defs>").format(Markup("").join(drawn))


def _description(blocks: Sequence[IcicleBlock], total: int, rows: int) -> str:
    said = [f"{total:,} items in {len(blocks):,} batches over {rows:,} generations"]
    for fate in FATES:
        number = sum(block.fate == fate for block in blocks)
        if number:
            said.append(f"{number:,} {fate}")
    return ", ".join(said)

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
_ROW: Final = 28
_LEAST_ROW: Final = 8
_TALLEST: Final = 560
_LABELLED_ROW: Final = 18
_GAP: Final = 2
_LEAST_WIDTH: Final = 0.6
"""Percent of the width; what one looks for is seen, however small its share."""

_LABELLED_WIDTH: Final = 5.0
_MERGED: Final = 0.15


@dataclass(frozen=True, slots=True)
class IcicleBlock:
    """A batch.

    Args:
        number: Its number, for the label.
        row: How many batches held its items before.
        kept: The items that it still has.
        moved: The items that it began with, and that are in other batches now.
        fate: What became of those that it has, one of FATES.
    """

    number: int
    row: int
    kept: Spans
    moved: Spans
    fate: str


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
    drawn = [part for block in blocks for part in _block(block, scale, height, is_here=block.number == here)]
    return Markup('<svg class="icicle" width="100%" height="{}" role="img" aria-label="{}">{}{}</svg>').format(
        rows * height, _description(blocks, scale.total, rows), _patterns(), Markup("").join(drawn)
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


def _block(block: IcicleBlock, scale: _Scale, height: int, *, is_here: bool) -> list[Markup]:
    top, inner = block.row * height, height - _GAP
    parts, widest = [], (0.0, 0.0)
    for begin, end in scale.ranges(block.moved):
        parts.append(_rectangle("split", f"{begin:.2f}%", f"{end - begin:.2f}%", top, inner, is_here=is_here))
        if not block.kept:
            widest = max(widest, (end - begin, (begin + end) / 2))
    for begin, end in scale.ranges(block.kept):
        width = max(end - begin, _LEAST_WIDTH) if block.fate in {"poison", "suspect", "crashed"} else end - begin
        left = min(begin, 100 - width)
        parts.append(_rectangle(block.fate, f"{left:.2f}%", f"{width:.2f}%", top, inner, is_here=is_here))
        widest = max(widest, (width, left + width / 2))
    if height >= _LABELLED_ROW and widest[0] >= _LABELLED_WIDTH:
        parts.append(
            Markup('<text x="{:.2f}%" y="{}" text-anchor="middle">{}</text>').format(
                widest[1], top + inner / 2 + 4, block.number
            )
        )
    return parts


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

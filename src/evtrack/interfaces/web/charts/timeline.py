"""Stacked areas: how a whole was divided over time."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from markupsafe import Markup

WIDTH: Final = 1000
HEIGHT: Final = 240


def stacked_areas(
    times: Sequence[float], layers: Sequence[tuple[str, Sequence[int]]], *, cursor: float | None = None
) -> Markup:
    """Draw layers of areas on top of each other.

    Args:
        times: When each moment was, in seconds, never falling.
        layers: The name of each layer, a word that is the end of a CSS class, and its number at each moment; the first
            one is at the bottom.
        cursor: A time to mark, in seconds.

    Returns:
        An SVG element of any width and height; its labels are written beside it.
    """
    # One moment alone is drawn as a band.
    moments = list(times) if len(times) != 1 else [times[0], times[0] + 1]
    edges = list(_edges(layers, repeat=len(moments) // max(len(times), 1)))
    most = max((max(edge) for _, edge in edges if edge), default=0) or 1
    begun = moments[0] if moments else 0.0
    span = (moments[-1] - begun if moments else 0.0) or 1.0
    across = [round(WIDTH * (each - begun) / span, 1) for each in moments]
    # The topmost edge first: what is below covers its own part of it.
    has_any = [any(number > 0 for number in numbers) for _, numbers in layers]
    areas = [
        _area(*edge, across, most) for edge, is_seen in reversed(list(zip(edges, has_any, strict=True))) if is_seen
    ]
    if cursor is not None and moments:
        at = round(WIDTH * min(max((cursor - begun) / span, 0.0), 1.0), 1)
        areas.append(Markup('<line class="cursor" x1="{0:g}" x2="{0:g}" y1="0" y2="{1}"/>').format(at, HEIGHT))
    rules = Markup('<path class="rule" d="M0 0H{0}M0 {1}H{0}M0 {2}H{0}"/>').format(WIDTH, HEIGHT // 2, HEIGHT)
    return Markup(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
        ' aria-label="Items by status over time, as in the table below">{}{}</svg>'
    ).format(WIDTH, HEIGHT, rules, Markup("").join(areas))


def _edges(layers: Sequence[tuple[str, Sequence[int]]], *, repeat: int) -> Sequence[tuple[str, list[int]]]:
    upper = accumulate(
        ([max(number, 0) for number in numbers] * repeat for _, numbers in layers),
        lambda below, own: [under + number for under, number in zip(below, own, strict=True)],
    )
    return [(name, edge) for (name, _), edge in zip(layers, upper, strict=True)]


def _area(name: str, edge: Sequence[int], across: Sequence[float], most: int) -> Markup:
    up = [round(HEIGHT * (1 - number / most), 1) for number in edge]
    kept = [
        place
        for place in range(len(up))
        # In the middle of a level stretch, a point changes nothing.
        if not 0 < place < len(up) - 1 or not up[place - 1] == up[place] == up[place + 1]
    ]
    line = "L".join(f"{across[place]:g} {up[place]:g}" for place in kept)
    return Markup('<path class="s-{}" d="M{:g} {}L{}L{:g} {}Z"/>').format(
        name, across[0], HEIGHT, line, across[-1], HEIGHT
    )

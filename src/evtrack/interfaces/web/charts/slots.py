"""The slots of a worker as a row of boxes."""

from typing import Final

from markupsafe import Markup

from evtrack.interfaces.web.charts.bar import share_bar

_BOX: Final = 10
_GAP: Final = 3
_MOST: Final = 64


def slot_boxes(busy: int, slots: int) -> Markup:
    """Draw which of a worker's slots are busy.

    Args:
        busy: How many are busy.
        slots: How many it has.

    Returns:
        An SVG element with a box for each slot, the busy ones first; above 64 slots, a bar.
    """
    busy = max(0, min(busy, slots))
    if slots > _MOST:
        return share_bar([("running", busy)], slots)
    boxes = Markup("").join(
        Markup('<rect class="{}" x="{}" y="1" width="{}" height="{}" rx="2"/>').format(
            "s-running" if number < busy else "s-free", number * (_BOX + _GAP), _BOX, _BOX
        )
        for number in range(slots)
    )
    width = max(slots * (_BOX + _GAP) - _GAP, 1)
    return Markup(
        '<svg class="slots" viewBox="0 0 {0} 12" width="{0}" height="12" role="img" aria-label="{1} of {2} slots busy">'
        "{3}</svg>"
    ).format(width, busy, slots, boxes)

"""A bar of the shares of a whole."""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

_WIDTH: Final = 1000
_LEAST: Final = 4
"""What is not nothing is seen, however small its share."""


def share_bar(shares: Sequence[tuple[str, int]], total: int, *, big: bool = False) -> Markup:
    """Draw how a whole is divided.

    Args:
        shares: The name of each part, a word that is the end of a CSS class, and its number.
        total: The whole; what the parts leave of it stays empty.
        big: Whether it is the main thing of its page.

    Returns:
        An SVG element of any width, with a description for screen readers.
    """
    parts, at = [], 0.0
    scale = _WIDTH / max(total, 1)
    for name, number in shares:
        if number > 0:
            width = max(number * scale, _LEAST)
            width = min(width, _WIDTH - at)
            parts.append(
                Markup('<rect class="s-{}" x="{:.1f}" y="0" width="{:.1f}" height="10"/>').format(name, at, width)
            )
            at += width
    said = ", ".join(f"{number:,} {name}" for name, number in shares if number) or "nothing yet"
    return Markup(
        '<svg class="bar{}" viewBox="0 0 {} 10" preserveAspectRatio="none" role="img" aria-label="{} of {:,}">{}</svg>'
    ).format(" big" if big else "", _WIDTH, said, total, Markup("").join(parts))

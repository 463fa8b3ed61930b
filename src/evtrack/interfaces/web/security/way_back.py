"""Where to go after a form: to a page of the dashboard, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from evtrack.interfaces.web.rendering import Renderer

_LONGEST: Final = 4_000


def way_back(given: str, renderer: Renderer) -> str:
    """Return an address of the dashboard.

    Args:
        given: What a form says, below the prefix; anybody may have written it.
        renderer: Knows where the application is mounted.

    Returns:
        The address with the prefix if it is one, else that of the overview.
    """
    # A browser reads \ as /, and // as the beginning of another host.
    is_ours = given.startswith("/") and not given.startswith("//") and "\\" not in given
    is_clean = given.isascii() and given.isprintable() and len(given) <= _LONGEST
    return renderer.link(given if is_ours and is_clean else "/")

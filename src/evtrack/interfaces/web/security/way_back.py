"""Where to go after a form: to a page of the dashboard, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from evtrack.interfaces.web.rendering import Renderer

_LONGEST: Final = 4_000


def way_back(given: str, renderer: Renderer) -> str:
    """Return an address of the dashboard.

    Args:
        given: What a form says; anybody may have written it.
        renderer: Knows where the application is mounted.

    Returns:
        The address if it is one below the prefix, else that of the overview.
    """
    home = renderer.link("/")
    # A browser reads \ as /, and // as the beginning of another host.
    is_ours = given.startswith(home) and not given.startswith(("//", f"{home}/")) and "\\" not in given
    return given if is_ours and given.isascii() and given.isprintable() and len(given) <= _LONGEST else home

"""What acts are done with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anyio

    from evtrack.interfaces.web.security.act_gate import ActRights
    from evtrack.interfaces.web.site import Site


@dataclass(frozen=True, slots=True)
class ActDesk:
    """Where acts are asked for, begun and stopped.

    Args:
        site: Reads what an act would touch, and runs it.
        rights: The database as a role that may act.
        threads: How many pages are made at a time.
    """

    site: Site
    rights: ActRights
    threads: anyio.CapacityLimiter

"""What acts are done with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from evtrack.interfaces.web.security.act_gate import ActRights
    from evtrack.interfaces.web.site import Site


@dataclass(frozen=True, slots=True)
class ActDesk:
    """Where acts are asked for, begun and stopped.

    Args:
        site: Reads what an act would touch, and runs it.
        rights: The database as a role that may act.
        questions: How many of their pages are made at a time; apart from other pages, which an act never holds up.
        acts: How many acts are done, or begun, at a time: each has a connection.
    """

    site: Site
    rights: ActRights
    questions: anyio.CapacityLimiter = field(default_factory=partial(anyio.CapacityLimiter, 2))
    acts: anyio.CapacityLimiter = field(default_factory=partial(anyio.CapacityLimiter, 1))

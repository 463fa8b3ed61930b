"""Whose turn it is to look for lost workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.storage.connection.query import one

if TYPE_CHECKING:
    from evtrack.storage.connection.connect import Connection

_QUIET_S: Final = 0.9
"""How long whoever has the turn may not have looked before another takes it; as in the SQL function has_turn()."""


@dataclass(frozen=True, slots=True)
class UpkeepTurn:
    """Who has the turn.

    Args:
        reaper: The number of whoever looked last; None for nobody, or a caller without a number.
        reaped_s: How many seconds ago that was, by the server's clock; None for never.
        workers: How many workers there are.
    """

    reaper: int | None = None
    reaped_s: float | None = None
    workers: int | None = 0

    def is_open_to(self, reaper: int) -> bool:
        """Return whether a reaper has the turn, or may take it.

        Args:
            reaper: Its number.
        """
        if self.reaper is None or self.reaper == reaper:
            return True
        return self.reaped_s is None or not 0 <= self.reaped_s <= _QUIET_S


def upkeep_turn(connection: Connection) -> UpkeepTurn:
    """Ask who has the turn; this costs the server nearly nothing."""
    return one(connection, UpkeepTurn, "upkeep_turn") or UpkeepTurn()

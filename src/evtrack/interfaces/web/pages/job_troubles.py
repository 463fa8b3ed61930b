"""What went wrong in a job, grouped: the latest crashes by their cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evtrack.interfaces.words.causes import crash_cause

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from evtrack.storage.reports.batch_reports import Crash


@dataclass(frozen=True, slots=True)
class CauseCount:
    """Crashes with the same cause.

    Args:
        cause: In words.
        crashes: How many.
        poison: How many of them spent the crash budget of an item.
        last_at: When the latest was.
        batch_no: Its batch.
        item_key: The item that it had in hand.
    """

    cause: str
    crashes: int
    poison: int
    last_at: datetime
    batch_no: int
    item_key: str | None


def causes(crashes: Sequence[Crash]) -> list[CauseCount]:
    """Count crashes by cause.

    Args:
        crashes: The latest first.

    Returns:
        The most common first.
    """
    groups: dict[str, list[Crash]] = {}
    for crash in crashes:
        groups.setdefault(crash_cause(crash), []).append(crash)
    counted = [
        CauseCount(
            cause=cause,
            crashes=len(found),
            poison=sum(crash.poison for crash in found),
            last_at=found[0].at,
            batch_no=found[0].batch_no,
            item_key=found[0].item_key,
        )
        for cause, found in groups.items()
    ]
    return sorted(counted, key=lambda each: (-each.crashes, each.cause))

"""Reports what a worker's slots have in hand, if it takes long: for users who ask what runs now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.repeated_failure import RepeatedFailure
from evtrack.storage.queue.workers import ItemInHand, report_in_hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evtrack.runtime.worker.slots.process import SlotProcess
    from evtrack.storage.connection.connect import Connection

LONG_S: Final = 1.0
"""How long an item must have been in hand to be reported; also the time between two reports."""

_MOST: Final = 200
_LONGEST_PAUSE_S: Final = 5.0


_log = structlog.get_logger()


class SlotItem(NamedTuple):
    """What a slot has in hand, and since when by the monotonic clock."""

    slot: int
    job_id: int
    batch_no: int
    attempt: int
    handler: str
    item_key: str | None
    ordinal: int | None
    begun_at: float


def items_in_slots(slots: Iterable[SlotProcess], now: float) -> list[SlotItem]:
    """List what slots have had in hand for longer than LONG_S, the longest first.

    Any thread may call this: what changes meanwhile is left out, and will be in the next list.

    Args:
        slots: All slots of the worker.
        now: The monotonic clock.
    """
    found: list[SlotItem] = []
    for slot in slots:
        try:
            item = _item_of(slot)
        except (ValueError, IndexError):  # the slot has just ended, or its batch has
            continue
        if item is not None and now - item.begun_at > LONG_S:
            found.append(item)
    return sorted(found, key=lambda item: item.begun_at)[:_MOST]


def _item_of(slot: SlotProcess) -> SlotItem | None:
    page, first, seq = slot.page, slot.first, slot.page.seq
    if not 0 <= seq - first < len(slot.held) or page.has_ended or page.is_waiting:
        return None
    batch, index = slot.held[seq - first], page.item
    begun_at = page.begun_at if index is None else page.item_begun_at
    if (page.seq, page.item, slot.first) != (seq, index, first):
        return None
    key, ordinal = batch.item(index)
    return SlotItem(slot.pid, *batch.key, batch.handler_name, key, ordinal, begun_at)


class InHandReporter:
    """Sends the list when it has changed, at most once every LONG_S; a worker with short items sends nothing.

    Args:
        look: Returns the list at a time of the monotonic clock.
    """

    def __init__(self, look: Callable[[float], list[SlotItem]]) -> None:
        self._look = look
        self._sent: list[SlotItem] = []
        self._look_at = 0.0
        self._failures = RepeatedFailure(
            lambda **facts: _log.warning(log_names.MAINTENANCE_FAILED, **facts),
            first_s=LONG_S,
            longest_s=_LONGEST_PAUSE_S,
        )

    def run_due(self, connection: Connection, worker_id: int, now: float) -> None:
        """Send the list if it is time.

        Args:
            connection: Any connection, outside of a transaction.
            now: The monotonic clock.

        Raises:
            TransientError: The connection is lost.
        """
        if now < self._look_at:
            return
        self._look_at = now + LONG_S
        found = self._look(now)
        if found == self._sent:
            return
        try:
            report_in_hand(connection, worker_id, [ItemInHand(*item[:-1], now - item.begun_at) for item in found])
            self._sent = found
            self._failures.reset()
        except EvtrackError as error:
            if error.connection_lost:
                raise
            self._look_at = max(self._look_at, now + self._failures.record(error))

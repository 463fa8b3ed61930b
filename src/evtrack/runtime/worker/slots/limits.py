"""The limits of a batch: run time, silence, and memory of its slot."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.domain.crash import CrashCause
from evtrack.domain.errors import BadArgument
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits, policy_of
from evtrack.runtime.worker.slots.slot_memory import exceeds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.runtime.worker.slots.process import SlotProcess

_TERM_S: Final = 2.0
"""How long a slot over its limit may take to end after SIGTERM."""

_CHECK_S: Final = 0.05


@dataclass(slots=True)
class SlotLimits:
    """Ends slots whose batch exceeds a limit; a limit of the batch's job takes precedence.

    Args:
        timeout_s: Longest run of a batch.
        stall_s: Longest silence of a handler.
        memory: The limits of a slot's memory.
    """

    timeout_s: float | None = None
    stall_s: float | None = None
    memory: MemoryLimits = field(default_factory=MemoryLimits)
    _terminated: dict[int, float] = field(default_factory=dict, init=False)
    _checked_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Reject limits that no batch can keep.

        Raises:
            BadArgument: A limit is not above 0.
        """
        for name in ("timeout_s", "stall_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise BadArgument(f"{name} must be above 0, got {value}")

    def enforce(self, slots: Iterable[SlotProcess], now: float) -> None:
        """Check each slot that runs a batch.

        Args:
            now: The monotonic clock.
        """
        if now - self._checked_at < _CHECK_S:
            return
        self._checked_at = now
        for slot in slots:
            if slot.pid in self._terminated:
                if now - self._terminated[slot.pid] > _TERM_S:
                    slot.kill()
                continue
            seq = slot.page.seq
            cause = self._exceeded(slot, seq)
            if cause is None:
                continue
            # The slot may end this batch and begin no other, so that no other batch is blamed.
            before = slot.page.limit
            slot.page.limit = min(before, seq)
            if slot.page.seq == seq and slot.first <= seq:
                slot.spares_item = cause is CrashCause.TIMEOUT and self._is_item_in_time(slot, seq)
                slot.kill(signal.SIGTERM, reason=cause.value)
                self._terminated[slot.pid] = now
            else:
                slot.page.limit = before
        if self._terminated:
            living = {slot.pid for slot in slots}
            self._terminated = {pid: at for pid, at in self._terminated.items() if pid in living}

    def _is_item_in_time(self, slot: SlotProcess, seq: int) -> bool:
        """Return whether the current item has not itself run for as long as its batch may."""
        timeout_s = policy_of(slot.held[seq - slot.first].policy).timeout_s or self.timeout_s
        # The first item has run for as long as its batch.
        return bool(slot.page.item and timeout_s and monotonic() - slot.page.item_begun_at <= timeout_s)

    def _exceeded(self, slot: SlotProcess, seq: int) -> CrashCause | None:
        place = seq - slot.first
        if not 0 <= place < len(slot.held):
            return None
        batch = slot.held[place]
        policy = policy_of(batch.policy)
        timeout_s = policy.timeout_s or self.timeout_s
        stall_s = policy.stall_s or self.stall_s
        max_rss_bytes = self.memory.limit_of(batch, policy)
        begun_at, beat_at, now = slot.page.begun_at, slot.page.beat_at, monotonic()
        # Read again after the times: meanwhile the slot may have begun another batch.
        if slot.page.seq != seq:
            return None
        if timeout_s is not None and now - begun_at > timeout_s:
            return CrashCause.TIMEOUT
        if stall_s is not None and now - beat_at > stall_s:
            return CrashCause.STALLED
        if max_rss_bytes is not None and exceeds(slot.pid, slot.page.command_pid, max_rss_bytes):
            return CrashCause.MEMORY_LIMIT
        return None

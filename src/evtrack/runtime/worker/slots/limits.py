"""What a batch may use: time, silence, memory."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from evtrack.domain.crash import CrashCause
from evtrack.domain.errors import BadArgument
from evtrack.domain.retry import Policy
from evtrack.runtime.slot.handlers import HandlerKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.worker.slots.process import SlotProcess

_TERM_S: Final = 2.0
"""How long a slot over its limit has to end by itself after SIGTERM."""

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_LOOK_S: Final = 0.05


@dataclass(slots=True)
class SlotLimits:
    """Ends slots whose batch uses too much; what a batch's job says goes before these.

    Args:
        timeout_s: Longest run of a batch.
        stall_s: Longest silence of a handler.
        max_rss_bytes: Most memory of a slot.
    """

    timeout_s: float | None = None
    stall_s: float | None = None
    max_rss_bytes: int | None = None
    _termed: dict[int, float] = field(default_factory=dict, init=False)
    _looked_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Refuse limits that nothing could keep.

        Raises:
            BadArgument: One is not above 0.
        """
        for name in ("timeout_s", "stall_s", "max_rss_bytes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise BadArgument(f"{name} must be above 0, got {value}")

    def enforce(self, slots: Iterable[SlotProcess], now: float) -> None:
        """Look at each slot that has a batch in hand.

        Args:
            slots: The slots.
            now: The monotonic clock.
        """
        if now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        for slot in slots:
            if slot.pid in self._termed:
                if now - self._termed[slot.pid] > _TERM_S:
                    slot.kill()
                continue
            seq = slot.page.seq
            cause = self._broken(slot, seq)
            if cause is None:
                continue
            # It may end this batch and begin no other, so that no other is blamed for it.
            before = slot.page.limit
            slot.limit(min(before, seq))
            if slot.page.seq == seq and slot.first <= seq:
                slot.kill(signal.SIGTERM, reason=cause.value)
                self._termed[slot.pid] = now
            else:
                slot.limit(before)
        if self._termed:
            living = {slot.pid for slot in slots}
            self._termed = {pid: at for pid, at in self._termed.items() if pid in living}

    def _broken(self, slot: SlotProcess, seq: int) -> CrashCause | None:
        place = seq - slot.first
        if not 0 <= place < len(slot.held):
            return None
        policy = _policy(slot.held[place].policy)
        timeout_s = policy.timeout_s or self.timeout_s
        stall_s = policy.stall_s or self.stall_s
        most = policy.max_rss_bytes or self.max_rss_bytes
        begun_at, beat_at, now = slot.page.begun_at, slot.page.beat_at, monotonic()
        # Asked again last: in between the slot may have gone on to another batch.
        if slot.page.seq != seq:
            return None
        if timeout_s is not None and now - begun_at > timeout_s:
            return CrashCause.TIMEOUT
        if stall_s is not None and now - beat_at > stall_s:
            return CrashCause.STALLED
        if most is not None and _held_bytes(slot, slot.held[place]) > most:
            return CrashCause.MEMORY_LIMIT
        return None


@lru_cache(maxsize=256)
def _policy(text: bytes | None) -> Policy:
    return Policy.model_validate(msgspec.json.decode(text)) if text else Policy()


def _held_bytes(slot: SlotProcess, row: ClaimedBatch) -> int:
    held = _rss_bytes(slot.pid)
    if slot.kind_of(row) == HandlerKind.COMMAND:
        held += sum(_rss_bytes(child) for child in _children(slot.pid))
    return held


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []


def _rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0  # gone, or a system without /proc

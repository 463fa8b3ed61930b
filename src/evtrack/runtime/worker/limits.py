"""What a batch may use: time, silence, memory."""

from __future__ import annotations

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
from evtrack.runtime.slot.protocol import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.runtime.worker.slot_process import SlotProcess

_TERM_S: Final = 2.0
"""How long a slot over its limit has to end by itself after SIGTERM."""

_PAGE_BYTES: Final = 4096
_LOOK_S: Final = 0.05


@dataclass(slots=True)
class Limits:
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
            cause = self._broken(slot)
            if cause is not None:
                slot.kill(signal.SIGTERM, reason=cause.value)
                self._termed[slot.pid] = now
        if self._termed:
            living = {slot.pid for slot in slots}
            self._termed = {pid: at for pid, at in self._termed.items() if pid in living}

    def _broken(self, slot: SlotProcess) -> CrashCause | None:
        place = slot.page.seq - slot.first
        if not 0 <= place < len(slot.held):
            return None
        policy = _policy(slot.held[place][POLICY])
        timeout_s = policy.timeout_s or self.timeout_s
        stall_s = policy.stall_s or self.stall_s
        most = policy.max_rss_bytes or self.max_rss_bytes
        begun_at, beat_at, now = slot.page.begun_at, slot.page.beat_at, monotonic()
        # Asked again last: in between the slot may have gone on to another batch.
        if slot.page.seq != slot.first + place:
            return None
        if timeout_s is not None and now - begun_at > timeout_s:
            return CrashCause.TIMEOUT
        if stall_s is not None and now - beat_at > stall_s:
            return CrashCause.STALLED
        if most is not None and _rss_bytes(slot.pid) > most:
            return CrashCause.MEMORY_LIMIT
        return None


@lru_cache(maxsize=256)
def _policy(text: bytes | None) -> Policy:
    return Policy.model_validate(msgspec.json.decode(text)) if text else Policy()


def _rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0  # gone, or a system without /proc

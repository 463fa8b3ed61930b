"""The limits of a batch: run time, silence, and memory of its slot."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from evtrack.domain.crash import CrashCause
from evtrack.domain.errors import BadArgument
from evtrack.domain.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psutil

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
        max_rss_bytes: Most memory of a slot, and of the command that it runs.
    """

    timeout_s: float | None = None
    stall_s: float | None = None
    max_rss_bytes: int | None = None
    _terminated: dict[int, float] = field(default_factory=dict, init=False)
    _checked_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Reject limits that no batch can keep.

        Raises:
            BadArgument: A limit is not above 0.
        """
        for name in ("timeout_s", "stall_s", "max_rss_bytes"):
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
        timeout_s = _policy(slot.held[seq - slot.first].policy).timeout_s or self.timeout_s
        # The first item has run for as long as its batch.
        return bool(slot.page.item and timeout_s and monotonic() - slot.page.item_begun_at <= timeout_s)

    def _exceeded(self, slot: SlotProcess, seq: int) -> CrashCause | None:
        place = seq - slot.first
        if not 0 <= place < len(slot.held):
            return None
        policy = _policy(slot.held[place].policy)
        timeout_s = policy.timeout_s or self.timeout_s
        stall_s = policy.stall_s or self.stall_s
        max_rss_bytes = policy.max_rss_bytes or self.max_rss_bytes
        begun_at, beat_at, now = slot.page.begun_at, slot.page.beat_at, monotonic()
        # Read again after the times: meanwhile the slot may have begun another batch.
        if slot.page.seq != seq:
            return None
        if timeout_s is not None and now - begun_at > timeout_s:
            return CrashCause.TIMEOUT
        if stall_s is not None and now - beat_at > stall_s:
            return CrashCause.STALLED
        if max_rss_bytes is not None and _rss_bytes(slot) > max_rss_bytes:
            return CrashCause.MEMORY_LIMIT
        return None


@lru_cache(maxsize=256)
def _policy(text: bytes | None) -> Policy:
    return Policy.model_validate(msgspec.json.decode(text)) if text else Policy()


def _rss_bytes(slot: SlotProcess) -> int:
    # The slot names its command: psutil could find it too, but would read every process of the machine for it.
    return sum(_process_rss_bytes(pid) for pid in (slot.pid, slot.page.command_pid) if pid)


def _process_rss_bytes(pid: int) -> int:
    import psutil  # noqa: PLC0415  tens of milliseconds that only a worker with a memory limit should pay

    try:
        return int(_process(pid).memory_info().rss)
    except psutil.Error:
        return 0  # it has ended


@lru_cache(maxsize=4096)
def _process(pid: int) -> psutil.Process:
    """Return a handle, cached because making one costs more than reading its memory; it depends on the pid alone."""
    import psutil  # noqa: PLC0415  as above

    return psutil.Process(pid)

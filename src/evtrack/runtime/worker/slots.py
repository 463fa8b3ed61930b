"""All slots of a worker: started, replaced when they die, retired when they have done enough."""

from __future__ import annotations

import selectors
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.crash import Dossier, Evidence
from evtrack.domain.errors import EvtrackError, HandlerImportError
from evtrack.runtime.slot.failures import clean
from evtrack.runtime.slot.protocol import Ready, Setup, Unready
from evtrack.runtime.worker.cgroup import OomKills
from evtrack.runtime.worker.slot_process import Death, SlotProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPARE_AFTER_S: Final = 1.0
"""How long a worker runs before it keeps a spare slot; a short run would pay for it and never need it."""

_STDERR_BOUND: Final = 2_000
_BACKOFF_S: Final = 0.1
_BACKOFF_MAX_S: Final = 30.0
_ALERT: Final = 3
"""Slots that died one after the other before they did anything: that is no accident any more."""

_GIVE_UP_AT_START: Final = 3
"""The same while none has ever been ready: then it is the handlers' modules, and waiting helps nobody."""

_CLOSED_GRACE_S: Final = 0.5
"""How long a slot may live on without its channel: an interpreter takes a moment to end."""

_log = structlog.get_logger()


class Slots:
    """Keeps a number of slots alive.

    Args:
        setup: What they are to offer.
        count: How many work at once.
        max_batches: Batches after which a slot is replaced; 0 for never.
        selector: Where their channels and pipes are watched; keys carry the function to call.
        on_frame: Called with a slot and what it said.
        on_death: Called with a slot that ended and how; what it held is still with it.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        count: int,
        max_batches: int = 0,
        selector: selectors.BaseSelector,
        on_frame: Callable[[SlotProcess, Any], None],
        on_death: Callable[[SlotProcess, Death], None],
    ) -> None:
        self._setup = setup
        self._oom_kills = OomKills()
        self._count = count
        self._max_batches = max_batches
        self._selector = selector
        self._on_frame = on_frame
        self._on_death = on_death
        self._living: list[SlotProcess] = []
        self._clogged: set[int] = set()
        self._closed_at: dict[int, float] = {}
        self._failures = 0
        self._was_ready = False
        self._start_at = 0.0
        self._spare_at = monotonic() + SPARE_AFTER_S
        self._draining = False

    @property
    def working(self) -> list[SlotProcess]:
        """The slots that take batches, at most as many as asked for."""
        ready = [slot for slot in self._living if slot.kinds is not None and not slot.is_retired]
        return [slot for slot in ready if not slot.closed][: self._count]

    def __iter__(self) -> Iterator[SlotProcess]:
        """Walk over all slots that live."""
        return iter(list(self._living))

    def keep_up(self, now: float) -> None:
        """Notice deaths, start what is missing.

        Args:
            now: The monotonic clock.

        Raises:
            EvtrackError: Slots die before they are ready, again and again.
        """
        for slot in list(self._living):
            if slot.output.suppressed:
                slot.output.tick(now)
            if slot.pidfd is None or slot.closed:
                self._look(slot, now)
        if self._draining or now < self._start_at:
            return
        lacking = self._count - sum(1 for slot in self._living if not slot.is_retired)
        spare = 1 if now >= self._spare_at else 0
        for _ in range(lacking + spare):
            self._start()

    def recycle(self) -> None:
        """Retire the slots that have done their number of batches and hold none."""
        if not self._max_batches:
            return
        for slot in self.working:
            if slot.finished >= self._max_batches and not slot.held:
                slot.retire()

    def room_for(self, slot: SlotProcess) -> int:
        """Tell how many batches more a slot may be given in its life.

        Args:
            slot: The slot.

        Returns:
            A number; large when there is no bound.
        """
        if not self._max_batches:
            return 1 << 30
        return max(0, self._max_batches - slot.finished - len(slot.held))

    def watch_writes(self, slot: SlotProcess) -> None:
        """Watch for the moment when a channel takes more, if something waits.

        Args:
            slot: The slot.
        """
        if slot.is_clogged != (slot.pid in self._clogged):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if slot.is_clogged else 0)
            self._selector.modify(slot.channel, events, lambda: self._hear(slot))
            self._clogged ^= {slot.pid}

    def drain(self) -> None:
        """Let each slot end after the batch in hand; start no more."""
        self._draining = True
        for slot in self._living:
            slot.retire()

    def kill(self, reason: str) -> None:
        """Kill all slots at once.

        Args:
            reason: Why, for the record.
        """
        for slot in self._living:
            slot.kill(reason=reason)

    def _start(self) -> None:
        slot = SlotProcess(setup=self._setup, oom_kills=self._oom_kills)
        self._living.append(slot)
        self._selector.register(slot.channel, selectors.EVENT_READ, lambda: self._hear(slot))
        self._selector.register(slot.stderr_fd, selectors.EVENT_READ, lambda: self._read_stderr(slot))
        if slot.pidfd is not None:
            self._selector.register(slot.pidfd, selectors.EVENT_READ, lambda: self._look(slot, monotonic()))
        self.watch_writes(slot)

    def _hear(self, slot: SlotProcess) -> None:
        if slot.is_clogged:
            slot.push()
        try:
            for frame in slot.frames():
                if isinstance(frame, Ready):
                    slot.kinds = frame.handlers
                    self._was_ready = True
                elif isinstance(frame, Unready):
                    raise _refusal(frame)
                else:
                    self._failures = 0
                    self._on_frame(slot, frame)
        except ValueError as error:  # msgspec's errors are ValueErrors; so is an outcome of what was never given
            _log.error(log_names.SLOT_TALKS_NONSENSE, pid=slot.pid, error=str(error))
            slot.kill(reason="protocol")
            slot.closed = True
        if slot.closed:
            self._unwatch(slot.channel)
            self._closed_at.setdefault(slot.pid, monotonic())
        else:
            self.watch_writes(slot)

    def _read_stderr(self, slot: SlotProcess) -> None:
        if not slot.read_stderr():
            self._unwatch(slot.stderr_fd)

    def _look(self, slot: SlotProcess, now: float) -> None:
        closed_at = self._closed_at.get(slot.pid)
        if closed_at is not None and now - closed_at > _CLOSED_GRACE_S and not slot.killed_for:
            slot.kill(reason="pipe_closed")
        death = slot.death()
        if death is None or slot not in self._living:
            return
        # Outcomes and last words may still be in the pipes.
        if not slot.closed:
            self._hear(slot)
        while slot.read_stderr():
            pass
        slot.output.close()
        self._living.remove(slot)
        for fd in (slot.channel, slot.stderr_fd, slot.pidfd):
            self._unwatch(fd)
        self._clogged.discard(slot.pid)
        self._closed_at.pop(slot.pid, None)
        try:
            if self._did_nothing(slot):
                self._mourn_early(slot, death, now)
            self._on_death(slot, death)
        finally:
            slot.dispose()

    def _did_nothing(self, slot: SlotProcess) -> bool:
        """Tell whether a slot has died of itself: no batch is to blame, and no order of ours."""
        if slot.is_retired or slot.killed_for not in {None, "pipe_closed", "protocol"}:
            return False
        return slot.kinds is None or (not slot.finished and not 0 <= slot.page.seq - slot.first < len(slot.held))

    def _mourn_early(self, slot: SlotProcess, death: Death, now: float) -> None:
        self._failures += 1
        pause_s = min(_BACKOFF_MAX_S, _BACKOFF_S * 2 ** min(self._failures, 16))
        self._start_at = now + pause_s
        dossier = Dossier.from_wait_status(death.wait_status, Evidence())
        how = dossier.signal or f"exit code {dossier.exit_code}"
        facts = {"pid": slot.pid, "how": how, "failures": self._failures, "again_in_s": pause_s}
        stderr = clean(slot.stderr_tail.strip(), _STDERR_BOUND, tail=True)
        if self._failures >= _ALERT:
            _log.error(
                log_names.SLOTS_KEEP_DYING, **facts, stderr=stderr, hint="see what ends a slot before it does anything"
            )
        else:
            _log.error(log_names.SLOT_DIED_EARLY, **facts)
        if self._failures >= _GIVE_UP_AT_START and not self._was_ready:
            raise EvtrackError(
                f"{self._failures} slots in a row died before they were ready, the last with {how}"
                + (f":\n{stderr}" if stderr else "."),
                hint="Import the handlers' modules by hand with the same Python to see what ends it.",
            )

    def _unwatch(self, fileobj: Any) -> None:
        if fileobj is not None and fileobj in self._selector.get_map():
            self._selector.unregister(fileobj)


def _refusal(frame: Unready) -> EvtrackError:
    if frame.module:
        return HandlerImportError(frame.module, traceback=frame.text)
    return EvtrackError(frame.text, hint=frame.hint)

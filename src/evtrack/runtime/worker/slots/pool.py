"""All slots of a worker: started, replaced when they die, retired when they have done enough."""

from __future__ import annotations

import selectors
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.crash import CrashCause, CrashReport, Evidence
from evtrack.domain.errors import EvtrackError, HandlerImportError
from evtrack.domain.text import storable
from evtrack.runtime.slot.protocol import Setup, SlotReady, SlotUnready
from evtrack.runtime.worker.slots.fork_server_client import ForkServerClient
from evtrack.runtime.worker.slots.oom_kills import OomKillCounter
from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess
from evtrack.runtime.worker.slots.restart_backoff import RestartBackoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPARE_AFTER_S: Final = 1.0
"""How long a worker runs before it keeps a spare slot; a short run would pay for it and never need it."""

_STDERR_BOUND: Final = 2_000

_CLOSED_GRACE_S: Final = 0.5
"""How long a slot may live on without its channel: an interpreter takes a moment to end."""

_log = structlog.get_logger()


class SlotPool:
    """Keeps a number of slots alive.

    Args:
        setup: What they are to offer.
        count: How many work at once.
        max_batches: Batches after which a slot is replaced; 0 for never.
        selector: Where their channels and pipes are watched; keys carry the function to call.
        on_frame: Called with a slot and what it said.
        on_death: Called with a slot that ended and how; what it held is still with it.
        on_trouble: Called with what is wrong when slots keep dying before they do anything, and with None when no more.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        count: int,
        max_batches: int = 0,
        selector: selectors.BaseSelector,
        on_frame: Callable[[SlotProcess, Any], None],
        on_death: Callable[[SlotProcess, SlotExit], None],
        on_trouble: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._setup = setup
        self._forks: ForkServerClient | None = None
        self._oom_kills = OomKillCounter()
        self._count = count
        self._max_batches = max_batches
        self._selector = selector
        self._on_frame = on_frame
        self._on_death = on_death
        self._living: list[SlotProcess] = []
        self._clogged: set[int] = set()
        self._closed_at: dict[int, float] = {}
        self._early_deaths = RestartBackoff(on_trouble)
        self._spare_at = monotonic() + SPARE_AFTER_S
        self._draining = False

    @property
    def working(self) -> list[SlotProcess]:
        """The slots that take batches, at most as many as asked for."""
        ready = [slot for slot in self._living if slot.kinds is not None and not slot.is_retired]
        # One that was killed is still here until its end is noticed: what it would be given would be dropped with it.
        return [slot for slot in ready if not (slot.closed or slot.killed_for)][: self._count]

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
            if slot.stderr.lines.suppressed:
                slot.stderr.lines.tick(now)
            if slot.pidfd is None or slot.closed:
                self._look(slot, now)
        if self._draining or now < self._early_deaths.start_at:
            return
        lacking = self._count - sum(1 for slot in self._living if not slot.is_retired)
        spare = 1 if now >= self._spare_at else 0
        try:
            for _ in range(lacking + spare):
                self._start()
        except OSError as error:
            self._early_deaths.add(f"no process: {error}", "", now)

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
        if slot.channel.is_clogged != (slot.pid in self._clogged):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if slot.channel.is_clogged else 0)
            self._selector.modify(slot.channel.socket, events, lambda: self._hear(slot))
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

    def close(self) -> None:
        """End what starts slots, and with it whatever is left of them; a second time does nothing."""
        if self._forks is not None:
            self._forks.close()

    def _start(self) -> None:
        if self._forks is None or self._forks.is_gone:
            self._forks = ForkServerClient()
        slot = SlotProcess(setup=self._setup, forks=self._forks, oom_kills=self._oom_kills)
        self._living.append(slot)
        self._selector.register(slot.channel.socket, selectors.EVENT_READ, lambda: self._hear(slot))
        self._selector.register(slot.stderr.fd, selectors.EVENT_READ, lambda: self._read_stderr(slot))
        if slot.pidfd is not None:
            self._selector.register(slot.pidfd, selectors.EVENT_READ, lambda: self._look(slot, monotonic()))
        self.watch_writes(slot)

    def _hear(self, slot: SlotProcess) -> None:
        if slot.channel.is_clogged:
            slot.channel.push()
        try:
            for frame in slot.channel.frames():
                if isinstance(frame, SlotReady):
                    slot.kinds = frame.handlers
                    self._early_deaths.ready()
                elif isinstance(frame, SlotUnready):
                    raise _refusal(frame)
                else:
                    self._early_deaths.over()
                    self._on_frame(slot, frame)
        except ValueError as error:  # msgspec's errors are ValueErrors; so is an outcome of what was never given
            _log.error(log_names.SLOT_TALKS_NONSENSE, pid=slot.pid, error=str(error))
            slot.kill(reason=CrashCause.PROTOCOL)
            slot.channel.closed = True
        if slot.closed:
            self._unwatch(slot.channel.socket)
            self._closed_at.setdefault(slot.pid, monotonic())
        else:
            self.watch_writes(slot)

    def _read_stderr(self, slot: SlotProcess) -> None:
        if not slot.stderr.read():
            self._unwatch(slot.stderr.fd)

    def _look(self, slot: SlotProcess, now: float) -> None:
        closed_at = self._closed_at.get(slot.pid)
        if closed_at is not None and now - closed_at > _CLOSED_GRACE_S and not slot.killed_for:
            slot.kill(reason=CrashCause.PIPE_CLOSED)
        death = slot.death()
        if death is None or slot not in self._living:
            return
        # Outcomes and last words may still be in the pipes.
        if not slot.closed:
            self._hear(slot)
        while slot.stderr.read():
            pass
        slot.stderr.lines.close()
        self._living.remove(slot)
        for fd in (slot.channel.socket, slot.stderr.fd, slot.pidfd):
            self._unwatch(fd)
        self._clogged.discard(slot.pid)
        self._closed_at.pop(slot.pid, None)
        try:
            if self._did_nothing(slot):
                stderr = storable(slot.stderr.tail.strip(), _STDERR_BOUND, keep_end=True)
                self._early_deaths.add(_how(death), stderr, now)
            self._on_death(slot, death)
        finally:
            slot.dispose()

    def _did_nothing(self, slot: SlotProcess) -> bool:
        """Tell whether a slot has died of itself: no batch is to blame, and no order of ours."""
        if slot.is_retired or slot.killed_for not in {None, CrashCause.PIPE_CLOSED, CrashCause.PROTOCOL}:
            return False
        return slot.kinds is None or (not slot.finished and not 0 <= slot.page.seq - slot.first < len(slot.held))

    def _unwatch(self, fileobj: Any) -> None:
        if fileobj is not None and fileobj in self._selector.get_map():
            self._selector.unregister(fileobj)


def _how(death: SlotExit) -> str:
    if death.wait_status is None:
        return "the fork server"
    dossier = CrashReport.from_wait_status(death.wait_status, Evidence())
    return dossier.signal or f"exit code {dossier.exit_code}"


def _refusal(frame: SlotUnready) -> EvtrackError:
    if frame.module:
        return HandlerImportError(frame.module, traceback=frame.text)
    return EvtrackError(frame.text, hint=frame.hint)

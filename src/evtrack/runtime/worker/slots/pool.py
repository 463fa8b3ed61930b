"""All slots of a worker: started, replaced when they die, retired after their number of batches."""

from __future__ import annotations

import selectors
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.crash import CrashCause
from evtrack.runtime.slot.leftovers import Zombies
from evtrack.runtime.slot.protocol import Setup, SlotBloated, SlotReady, SlotUnready
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.slots.fork_server_client import reserve_open_files, take_fork_server
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from evtrack.runtime.worker.slots.oom_kills import OomKillCounter
from evtrack.runtime.worker.slots.pausing import Pausing
from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess
from evtrack.runtime.worker.slots.restart_backoff import RestartBackoff
from evtrack.runtime.worker.slots.slot_groups import SlotGroups
from evtrack.runtime.worker.slots.slot_reports import early_death, log_recycled, unready_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evtrack.runtime.worker.slots.fork_server_client import ForkServerClient

SPARE_AFTER_S: Final = 1.0
"""How long a worker runs before it keeps a spare slot; a short run would pay for it and never use it."""

_CLOSED_GRACE_S: Final = 2.0
"""How long a slot may live on without its channel: an interpreter takes a moment to exit, and more on a busy host."""

_log = structlog.get_logger()


class SlotPool:
    """Keeps a number of slots alive.

    Args:
        setup: The handlers that slots offer.
        count: How many slots work at once.
        max_batches: Batches after which a slot is replaced; 0 for never.
        selector: Watches the slots' channels and pipes; the data of a key is the function to call.
        memory: Limits of the slots' memory.
        on_frame: Called with a slot and a frame that it sent.
        on_exit: Called with a slot that ended, and how; the slot still holds its batches.
        on_crash_loop: Called with a description when slots keep dying before they do anything, and with None when
            they recovered.
        new_page: Creates the shared page of a slot; None for one in memory.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        count: int,
        max_batches: int,
        selector: selectors.BaseSelector,
        on_frame: Callable[[SlotProcess, Any], None],
        on_exit: Callable[[SlotProcess, SlotExit], None],
        on_crash_loop: Callable[[str | None], None],
        new_page: Callable[[], SharedPage] | None = None,
        memory: MemoryLimits | None = None,
    ) -> None:
        self._memory = memory or MemoryLimits()
        self._setup = setup
        self._new_page = new_page or SharedPage.create
        self._fork_server: ForkServerClient | None = None
        self._open_files = reserve_open_files(count)
        self._oom_kills = OomKillCounter()
        self._groups = SlotGroups(wanted=self._memory.slot_cgroups)
        self._count = count
        self._max_batches = max_batches
        self._selector = selector
        self._on_frame = on_frame
        self._on_exit = on_exit
        self._living: list[SlotProcess] = []
        self._unsent: set[int] = set()
        self._closed_at: dict[int, float] = {}
        self._backoff = RestartBackoff(on_crash_loop)
        self._spare_at = monotonic() + SPARE_AFTER_S
        self._draining = False
        self._zombies = Zombies()
        self.pausing = Pausing(slots=lambda: self, fork_server=self._fork_server_pid)

    @property
    def working(self) -> list[SlotProcess]:
        """The slots that take batches: no more than `count`."""
        return self._ready[: self._count]

    @property
    def has_fresh(self) -> bool:
        """Whether `take_fresh` finds a slot if an idle one can make room for it."""
        return any(slot.is_fresh for slot in self._ready)

    @property
    def _ready(self) -> list[SlotProcess]:
        ready = [slot for slot in self._living if slot.kinds is not None and not slot.is_retired]
        # A killed slot stays in the list until its end is noticed; batches assigned to it would be lost with it.
        return [slot for slot in ready if not (slot.closed or slot.killed_for or slot.is_ending)]

    def __iter__(self) -> Iterator[SlotProcess]:
        """Iterate over all living slots."""
        return iter(list(self._living))

    def maintain(self, now: float) -> None:
        """Notice slots that ended, and start the missing ones. Slots that die again and again raise an EvtrackError."""
        self.notice_ends(now)
        self.start_missing(now)

    def notice_ends(self, now: float) -> None:
        """Notice the end of slots that the selector does not announce."""
        for slot in list(self._living):
            if slot.stderr.output.suppressed:
                slot.stderr.output.tick(now)
            if slot.pidfd is None or slot.closed or slot.is_ending:
                self._poll(slot, now)

    def start_missing(self, now: float) -> None:
        """Start as many slots as are missing, and clean up after others: both may take milliseconds."""
        self._zombies.reap(now, self._fork_server_pid())
        self._groups.sweep()
        if self._draining or now < self._backoff.start_at:
            return
        self._retire_used_spare()
        missing = self._count - sum(1 for slot in self._living if not slot.is_retired)
        spare = 1 if now >= self._spare_at else 0
        try:
            for _ in range(missing + spare):
                self._start()
        except OSError as error:
            self._backoff.record_death(f"no process: {error}", "", now)

    def recycle(self) -> None:
        """Retire the slots that have run their number of batches and hold none."""
        if not self._max_batches:
            return
        for slot in self.working:
            if slot.finished >= self._max_batches and not slot.held:
                slot.retire()

    def take_fresh(self) -> SlotProcess | None:
        """Return a slot that has run nothing yet, in place of an idle one if need be.

        Returns:
            The slot, or None as long as there is none: a spare is started then.
        """
        ready = self._ready
        fresh = next((slot for slot in ready if slot.is_fresh), None)
        if fresh is None:
            self._spare_at = min(self._spare_at, monotonic())
        elif fresh not in ready[: self._count]:
            idle = next((slot for slot in ready[: self._count] if not slot.held), None)
            if idle is None:
                return None
            idle.retire()
        return fresh

    def remaining_batches(self, slot: SlotProcess) -> int:
        """Count the batches that may still be assigned to a slot.

        Returns:
            The number; a large one when there is no bound.
        """
        if not self._max_batches:
            return 1 << 30
        return max(0, self._max_batches - slot.finished - len(slot.held))

    def watch_writes(self, slot: SlotProcess) -> None:
        """Watch for room in a slot's channel while data waits to be sent."""
        if slot.channel.has_unsent != (slot.pid in self._unsent):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if slot.channel.has_unsent else 0)
            self._selector.modify(slot.channel.socket, events, lambda: self._read_frames(slot))
            self._unsent ^= {slot.pid}

    def drain(self) -> None:
        """Let each slot exit after the batch that it runs; start no more."""
        self._draining = True
        for slot in self._living:
            slot.retire()

    def kill(self, reason: str) -> None:
        """Kill all slots.

        Args:
            reason: Why, for the crash report.
        """
        for slot in self._living:
            slot.kill(reason=reason)

    def close(self) -> None:
        """Kill the fork server, and with it all remaining slots; a second call does nothing."""
        if self._fork_server is not None:
            self._fork_server.close()
        self._groups.close()

    def _fork_server_pid(self) -> int | None:
        return None if self._fork_server is None or self._fork_server.is_gone else self._fork_server.pid

    def _retire_used_spare(self) -> None:
        """Make room for a spare slot if the last one was used, as it was ready before an older slot was."""
        kept = [slot for slot in self._living if not slot.is_retired]
        if len(kept) > self._count and not any(slot.is_fresh for slot in kept):
            idle = next((slot for slot in reversed(kept) if not slot.held), None)
            if idle is not None:
                idle.retire()

    def _start(self) -> None:
        if self._fork_server is None or self._fork_server.is_gone:
            self._fork_server = take_fork_server(self._open_files, self._setup.kept_variables)
            self._groups.open(self._fork_server.pid)
        slot = SlotProcess(
            setup=self._setup,
            fork_server=self._fork_server,
            oom_kills=self._oom_kills,
            new_page=self._new_page,
            memory=self._memory,
            admit=self._groups.admit,
        )
        self._living.append(slot)
        self._selector.register(slot.channel.socket, selectors.EVENT_READ, lambda: self._read_frames(slot))
        self._selector.register(slot.stderr.fd, selectors.EVENT_READ, lambda: self._read_stderr(slot))
        if slot.pidfd is not None:
            self._selector.register(slot.pidfd, selectors.EVENT_READ, lambda: self._poll(slot, monotonic()))
        self.watch_writes(slot)

    def _read_frames(self, slot: SlotProcess) -> None:
        if slot.channel.has_unsent:
            slot.channel.flush()
        try:
            for frame in slot.channel.frames():
                if isinstance(frame, SlotReady):
                    slot.kinds, slot.import_rss_bytes = frame.handlers, frame.rss_bytes
                    self._backoff.record_ready()
                elif isinstance(frame, SlotBloated):
                    slot.is_retired = True
                    log_recycled(slot, frame)
                elif isinstance(frame, SlotUnready):
                    raise unready_error(frame)
                else:
                    self._backoff.reset()
                    self._on_frame(slot, frame)
        except ValueError as error:  # msgspec's errors are ValueErrors, as are those of the frame checks
            _log.error(log_names.SLOT_PROTOCOL_ERROR, pid=slot.pid, error=str(error))
            slot.kill(reason=CrashCause.PROTOCOL)
            slot.channel.closed = True
        if slot.closed:
            self._unwatch(slot.channel.socket)
            self._closed_at.setdefault(slot.pid, monotonic())
        else:
            self.watch_writes(slot)

    def _take_outcomes(self, slot: SlotProcess) -> None:
        frame = slot.unsent_outcomes()
        if frame is not None:
            try:
                self._on_frame(slot, frame)
            except ValueError as error:
                _log.error(log_names.SLOT_PROTOCOL_ERROR, pid=slot.pid, error=str(error))

    def _read_stderr(self, slot: SlotProcess) -> None:
        # Nothing to read does not mean that nothing follows: frames of the same moment may have been read before.
        slot.stderr.read()
        if slot.stderr.has_ended:
            self._unwatch(slot.stderr.fd)

    def _poll(self, slot: SlotProcess, now: float) -> None:
        closed_at = self._closed_at.get(slot.pid)
        is_late = closed_at is not None and now - closed_at > _CLOSED_GRACE_S
        if is_late and not slot.killed_for and not slot.is_ending:
            slot.kill(reason=CrashCause.PIPE_CLOSED)
        ended = slot.poll()
        if ended is None and slot.is_ending:
            self._unwatch(slot.pidfd)
        if ended is None or slot not in self._living:
            return
        # The pipes may still hold outcomes and output, and the page outcomes that were not sent.
        if not slot.closed:
            self._read_frames(slot)
        self._take_outcomes(slot)
        slot.stderr.finish()
        self._living.remove(slot)
        for fd in (slot.channel.socket, slot.stderr.fd, slot.pidfd):
            self._unwatch(fd)
        self._unsent.discard(slot.pid)
        self._closed_at.pop(slot.pid, None)
        try:
            if (early := early_death(slot, ended)) is not None:
                self._backoff.record_death(*early, now)
            self._on_exit(slot, ended)
        finally:
            slot.close()
            self._groups.release(slot.group)

    def _unwatch(self, fileobj: Any) -> None:
        if fileobj is not None and fileobj in self._selector.get_map():
            self._selector.unregister(fileobj)

"""A slot as its supervisor sees it: started, assigned batches, and polled for its end."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from evtrack.domain.crash import LIMITS
from evtrack.runtime.slot.lifetime import LIMIT_SIGNAL
from evtrack.runtime.slot.protocol import BatchesDone, Setup, Work
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.slots.channel import SlotChannel
from evtrack.runtime.worker.slots.foreign_stop import verdict_wait_s
from evtrack.runtime.worker.slots.fork_server_client import ForkServerClient, ForkServerGone
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from evtrack.runtime.worker.slots.oom_kills import OomKillCounter
from evtrack.runtime.worker.slots.stderr import SlotStderr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.worker.slots.slot_group import SlotGroup


@dataclass(frozen=True, slots=True)
class SlotExit:
    """How a slot ended.

    Args:
        wait_status: As waitpid reports it; None when the fork server is gone, and with it the only parent that knew.
        peak_rss_bytes: Peak memory of the slot.
        cpu_s: CPU time that it used.
        oom_kill: The evidence that the kernel killed it for lack of memory. Asked for only after a SIGKILL of unknown
            origin; empty when there is none.
    """

    wait_status: int | None
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
    oom_kill: str = ""


class SlotProcess:
    """Starts one slot and keeps the batches that it holds; never waits for it.

    Args:
        setup: The handlers to offer.
        fork_server: Starts the slot.
        oom_kills: Counts the kernel's out-of-memory kills.
        new_page: Creates its shared page.
        memory: Decides above which memory the slot is replaced.
        admit: Puts its process into a control group of its own, if it can.

    Raises:
        OSError: The slot cannot be started.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        fork_server: ForkServerClient,
        oom_kills: OomKillCounter | None = None,
        new_page: Callable[[], SharedPage] = SharedPage.create,
        memory: MemoryLimits | None = None,
        admit: Callable[[int], SlotGroup | None] = lambda _: None,
    ) -> None:
        self._oom_kills = oom_kills or OomKillCounter()
        self._memory = memory or MemoryLimits()
        self._fork_server = fork_server
        self.channel, theirs = SlotChannel.pair()
        self.page = new_page()
        read_end, write_end = os.pipe()
        try:
            with theirs, os.fdopen(write_end, "wb", buffering=0):
                self.pid = fork_server.start(theirs.fileno(), self.page.fd, write_end)
        except OSError:
            self.channel.close()
            self.page.close()
            os.close(read_end)
            raise
        self.page.slot_pid = self.pid
        # Before it is sent anything, and can have started anything.
        self.group = admit(self.pid)
        # Becomes readable when the process ends, even if a child process keeps the slot's pipes open.
        self.pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        self.held: deque[ClaimedBatch] = deque()
        """Assigned batches whose outcome is not known yet."""
        self.first = 1
        """Sequence number of the first held batch in the slot's life."""
        self.expected_s = 0.0
        """Expected run time of the held batches in total."""
        self.item_results: dict[int, bytes] = {}
        """Results that the first held batch has sent so far, by item index."""
        self.kinds: dict[str, str] | None = None
        """The kind of each handler by name, once the slot is ready."""
        self.finished = 0
        """How many batches have ended."""
        self.is_retired = False
        self.killed_for: str | None = None
        self._ended: SlotExit | None = None
        self._ended_at = 0.0
        self.spares_item = False
        """Whether the batch exceeded its time, but not the item that was in hand."""
        self.import_rss_bytes = 0
        """The memory that it held once its handlers were imported."""
        self.stderr = SlotStderr(fd=read_end, pid=self.pid, page=self.page, find_batch=self._find_batch)
        # Lines that were printed before an outcome was sent are logged while the slot still holds their batch.
        self.channel.on_receive = self.stderr.read
        self.channel.send(setup)

    @property
    def closed(self) -> bool:
        """Whether the slot can send no more frames."""
        return self.channel.closed

    @property
    def is_fresh(self) -> bool:
        """Whether the slot has run nothing, and holds nothing to run."""
        return not self.finished and not self.held

    def assign(self, batches: Sequence[ClaimedBatch], expected_s: float) -> None:
        """Send batches to the slot.

        Args:
            batches: The batches; the slot holds them until their outcome is known.
            expected_s: Their expected run time in total.
        """
        self.expected_s += expected_s
        first = self.first + len(self.held)
        self.page.assigned.record(first, batches)
        recycle_rss = [self._memory.recycle_at(batches), self.page.recycle_rss if self.held else 0]
        self.page.recycle_rss = min(filter(None, recycle_rss), default=0)
        if self.group is not None:
            self.group.allow(self._memory.group_limit(batches))
        self.held.extend(batches)
        self.channel.send(Work(first, list(batches)))

    def release(self, count: int) -> list[ClaimedBatch]:
        """Remove the first held batches: their outcome is known.

        Args:
            count: How many.

        Returns:
            The batches.
        """
        popleft = self.held.popleft
        self.item_results = {}
        self.expected_s *= 1 - count / len(self.held)
        batches = [popleft() for _ in range(count)]
        self.first += count
        self.finished += count
        return batches

    def unsent_outcomes(self) -> BatchesDone | None:
        """Return the outcomes that the slot had recorded but not sent when it ended.

        Returns:
            The frame that it would have sent, or None.
        """
        unsent = [outcome for outcome in self.page.outcomes.read() if outcome.seq >= self.first]
        if not unsent:
            return None
        usage = [(n, each.peak_rss_bytes, each.cpu_s) for n, each in enumerate(unsent) if each.peak_rss_bytes]
        return BatchesDone(unsent[0].seq, [each.run_s for each in unsent], [each.result for each in unsent], usage)

    def kind_of(self, batch: ClaimedBatch) -> str | None:
        """Return the kind of a batch's handler.

        Returns:
            The kind, or None when the slot does not offer the handler.
        """
        return (self.kinds or {}).get(batch.handler_name)

    def take_oom_kill(self) -> str:
        """Take an out-of-memory kill by the kernel that no other death has taken.

        Returns:
            The evidence; empty when there is none.
        """
        return self._oom_kills.take() if self.group is None else self.group.take_oom_kill()

    @property
    def has_reached_group_limit(self) -> bool:
        """Whether it had reached the limit of its own control group: no other slot made it run out of memory."""
        return self.group is not None and self.group.has_reached_limit

    @property
    def is_over_limit(self) -> bool:
        """Whether it is being ended because its batch exceeds a limit."""
        return self.killed_for in LIMITS

    def retire(self) -> None:
        """Let the slot exit after the batch that it runs."""
        self.is_retired = True
        self.page.limit = 0
        self.channel.close_sending()

    def kill(self, number: int = signal.SIGKILL, *, reason: str | None = None) -> None:
        """Send a signal to the slot's process group.

        Args:
            number: SIGKILL, or SIGTERM to ask it to end: the slot then dumps its tracebacks first.
            reason: Why, for the crash report.
        """
        self.killed_for = self.killed_for or reason
        if self._ended is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGTERM:
                with contextlib.suppress(ForkServerGone):
                    self._fork_server.observe()
                # A slot survives SIGTERM, which its whole service may get; what it has started may not.
                os.kill(self.pid, LIMIT_SIGNAL)
            os.killpg(self.pid, number)

    @property
    def is_ending(self) -> bool:
        """Whether it has ended, and it is not known yet whether its whole service is being stopped."""
        return self._ended is not None

    def poll(self) -> SlotExit | None:
        """Ask whether the slot has ended; if it has, its whole process group is gone.

        Returns:
            How it ended; None while it lives, or while its end may turn out to be part of a stop.
        """
        if self._ended is None:
            self._ended, self._ended_at = self._ask(), monotonic()
        ended = self._ended
        if ended is None or self.killed_for is not None or ended.oom_kill:
            return ended
        wait_s = verdict_wait_s(ended.wait_status)
        if wait_s is not None:
            if self.is_retired:
                self.killed_for = "stopping"
            elif monotonic() - self._ended_at < wait_s:
                return None
        return ended

    def _ask(self) -> SlotExit | None:
        try:
            ended = self._fork_server.poll(self.pid)
        except ForkServerGone:
            # When the fork server dies, the kernel kills its slots, but not the processes that they have started.
            self.kill()
            return SlotExit(None)
        if ended is None:
            return None
        status = ended.wait_status
        if self.is_over_limit and os.WIFSIGNALED(status) and os.WTERMSIG(status) == LIMIT_SIGNAL:
            status = signal.SIGTERM  # which the user knows
        unexplained = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and self.killed_for is None
        return SlotExit(status, ended.peak_rss_bytes, ended.cpu_s, self.take_oom_kill() if unexplained else "")

    def close(self) -> None:
        """Close the descriptors of a slot that has ended."""
        self.channel.close()
        self.page.close()
        self.stderr.close()
        if self.pidfd is not None:
            os.close(self.pidfd)

    def _find_batch(self, seq: int) -> ClaimedBatch | None:
        place = seq - self.first
        return self.held[place] if 0 <= place < len(self.held) else None

"""A slot as its supervisor sees it: started, fed, and its death told."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evtrack.domain.crash import LIMITS
from evtrack.runtime.slot.protocol import Setup, Work
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.slots.channel import SlotChannel
from evtrack.runtime.worker.slots.fork_server_client import ForkServerClient, ForkServerGone
from evtrack.runtime.worker.slots.oom_kills import OomKillCounter
from evtrack.runtime.worker.slots.stderr import SlotStderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import ClaimedBatch


@dataclass(frozen=True, slots=True)
class SlotExit:
    """How a slot ended.

    Args:
        wait_status: As waitpid told it; None when the fork server was lost, and nobody can tell.
        peak_rss_bytes: Most memory it held.
        cpu_s: CPU time it used.
        oom_kill: The evidence that the kernel has killed it for want of memory; asked only after a SIGKILL of unknown
            origin, and empty when there is none.
    """

    wait_status: int | None
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
    oom_kill: str = ""


class SlotProcess:
    """Starts one slot and keeps what it holds; never waits for it.

    Args:
        setup: What it is to offer.
        forks: Who starts it.
        oom_kills: Where to ask whether a kill was the kernel's.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, *, setup: Setup, forks: ForkServerClient, oom_kills: OomKillCounter | None = None) -> None:
        self._oom_kills = oom_kills or OomKillCounter()
        self._forks = forks
        self.channel, theirs = SlotChannel.pair()
        self.page = SharedPage.create()
        read_end, write_end = os.pipe()
        try:
            with theirs, os.fdopen(write_end, "wb", buffering=0):
                self.pid = forks.start(theirs.fileno(), self.page.fd, write_end)
        except OSError:
            self.channel.close()
            self.page.close()
            os.close(read_end)
            raise
        # Readable when the process ends, whoever still holds its pipes.
        self.pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        self.held: deque[ClaimedBatch] = deque()
        self.first = 1
        """Number of the first held batch in the slot's life."""
        self.expected_s = 0.0
        """How long the held batches are expected to run, all together."""
        self.progress: dict[int, bytes] = {}
        """Results that the first held batch has sent so far, by the items' places."""
        self.kinds: dict[str, str] | None = None
        """Its handlers, once it is ready."""
        self.finished = 0
        self.is_retired = False
        self.killed_for: str | None = None
        self.stderr = SlotStderr(fd=read_end, pid=self.pid, page=self.page, row_of=self._row)
        # What was printed before an outcome was sent is told while its batch is still held.
        self.channel.on_piece = self.stderr.read
        self.channel.say(setup)

    @property
    def closed(self) -> bool:
        """Whether nothing more is heard of it."""
        return self.channel.closed

    def give(self, rows: Sequence[ClaimedBatch], expected_s: float) -> None:
        """Hand over batches.

        Args:
            rows: The batches; they are held until their outcome is here.
            expected_s: How long they are expected to run, all together.
        """
        self.expected_s += expected_s
        first = self.first + len(self.held)
        self.held.extend(rows)
        self.channel.say(Work(first, list(rows)))

    def take(self, count: int) -> list[ClaimedBatch]:
        """Let go of the first held batches, whose outcome is here.

        Args:
            count: How many.

        Returns:
            The batches.
        """
        popleft = self.held.popleft
        self.progress = {}
        self.expected_s *= 1 - count / len(self.held)
        rows = [popleft() for _ in range(count)]
        self.first += count
        self.finished += count
        return rows

    def limit(self, seq: int) -> None:
        """Tell the slot not to begin any batch after this one.

        Args:
            seq: The last that it may begin.
        """
        self.page.limit = seq

    def kind_of(self, row: ClaimedBatch) -> str | None:
        """Tell what a batch's handler is called with.

        Args:
            row: The batch.

        Returns:
            The kind, or None when the slot does not offer the handler.
        """
        return (self.kinds or {}).get(row.handler.decode("utf-8", "replace"))

    def oom_kill(self) -> str:
        """Ask whether the kernel has killed for want of memory, beyond what other deaths explain.

        Returns:
            The evidence, or nothing; a kill explains one death.
        """
        return self._oom_kills.take()

    @property
    def is_over_limit(self) -> bool:
        """Whether it was told to end because its batch uses too much."""
        return self.killed_for in LIMITS

    def retire(self) -> None:
        """Let the slot end by itself after the batch that it has in hand."""
        self.is_retired = True
        self.page.limit = 0
        self.channel.hang_up()

    def kill(self, number: int = signal.SIGKILL, *, reason: str | None = None) -> None:
        """Send a signal to the slot and all that it started.

        Args:
            number: The signal.
            reason: Why, for the record.
        """
        self.killed_for = self.killed_for or reason
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def death(self) -> SlotExit | None:
        """Ask whether the slot has ended; if so, nothing that it has started is left in its process group.

        Returns:
            How it ended, or None while it lives.
        """
        try:
            ended = self._forks.look(self.pid)
        except ForkServerGone:
            # The kernel kills the slots of a fork server that dies, but not what they have started.
            self.kill()
            return SlotExit(None)
        if ended is None:
            return None
        status = ended.wait_status
        unexplained = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and self.killed_for is None
        return SlotExit(
            status,
            ended.peak_rss_bytes,
            ended.cpu_s,
            self.oom_kill() if unexplained else "",
        )

    def dispose(self) -> None:
        """Close all that belongs to a slot that has ended."""
        self.channel.close()
        self.page.close()
        self.stderr.close()
        if self.pidfd is not None:
            os.close(self.pidfd)

    def _row(self, seq: int) -> ClaimedBatch | None:
        place = seq - self.first
        return self.held[place] if 0 <= place < len(self.held) else None

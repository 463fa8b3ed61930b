"""A slot as its supervisor sees it: started, fed, listened to, and its death told."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.crash import CrashCause
from evtrack.runtime.slot.output import TEXT
from evtrack.runtime.slot.page import Page
from evtrack.runtime.slot.protocol import HANDLER, FromSlot, Inbox, Row, Setup, Work, encode
from evtrack.runtime.worker.cgroup import OomKills
from evtrack.runtime.worker.handler_output import HandlerOutput, Unmarked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIECE_BYTES: Final = 1 << 18
_STDERR_TAIL_BYTES: Final = 1 << 16
_READS: Final = 64
"""Reads of one slot before the others get their turn."""
_BUFFER_BYTES: Final = 1 << 20

LIMITS: Final = frozenset({CrashCause.TIMEOUT, CrashCause.STALLED, CrashCause.MEMORY_LIMIT})
"""Reasons for a kill that are limits of the batch in hand."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a slot ended.

    Args:
        wait_status: As waitpid told it.
        peak_rss_bytes: Most memory it held.
        cpu_s: CPU time it used.
        closed_first: It had closed its channel and lived on, so the supervisor killed it.
        oom_kills: How many kills of the kernel for want of memory the control group has counted that no other death
            explains; asked only after a SIGKILL of unknown origin.
    """

    wait_status: int
    peak_rss_bytes: int
    cpu_s: float
    closed_first: bool
    oom_kills: int = 0


class SlotProcess:
    """Starts one slot and speaks with it; never waits for it.

    Args:
        setup: What it is to offer.
        oom_kills: Where to ask whether a kill was the kernel's.
    """

    def __init__(self, *, setup: Setup, oom_kills: OomKills | None = None) -> None:
        self._oom_kills = oom_kills or OomKills()
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            # Room for a whole group, so that neither side waits for the other within one.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.page = Page.create()
        read_end, write_end = os.pipe()
        argv = [sys.executable, "-P", "-m", "evtrack.runtime.slot.child"]
        argv += [str(theirs.fileno()), str(self.page.fd), str(os.getpid())]
        with theirs, os.fdopen(write_end, "wb", buffering=0) as stderr:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                pass_fds=(theirs.fileno(), self.page.fd),
                start_new_session=True,
            )
        for fd in (ours.fileno(), read_end):
            os.set_blocking(fd, False)
        self.pid = self._process.pid
        self.channel = ours
        self.stderr_fd = read_end
        # Readable when the process ends, whoever still holds its pipes.
        self.pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        self.started_at = monotonic()
        self.held: deque[Row] = deque()
        self.first = 1
        """Number of the first held batch in the slot's life."""
        self.expected_s = 0.0
        """How long the held batches are expected to run, all together."""
        self.progress: dict[int, bytes] = {}
        """Results that the first held batch has sent so far, by the items' places."""
        self.kinds: dict[str, str] | None = None
        """Its handlers, once it is ready."""
        self.finished = 0
        self.closed = False
        self.is_retired = False
        self.killed_for: str | None = None
        self._inbox = Inbox(FromSlot)
        self._unsent: deque[memoryview] = deque()
        self._stderr = bytearray()
        self._unmarked = Unmarked()
        self.output = HandlerOutput(pid=self.pid, row_of=self._row)
        self._sent = 0
        self.say(setup)

    def say(self, frame: Setup | Work) -> None:
        """Send a frame, as far as the channel takes it now.

        Args:
            frame: What to say.
        """
        self._unsent.append(memoryview(encode(frame)))
        self.push()

    def give(self, rows: Sequence[Row], expected_s: float) -> None:
        """Hand over batches.

        Args:
            rows: The batches; they are held until their outcome is here.
            expected_s: How long they are expected to run, all together.
        """
        self.expected_s += expected_s
        first = self.first + len(self.held)
        self.held.extend(rows)
        self.say(Work(first, list(rows)))

    def push(self) -> None:
        """Send what is left to send, as far as the channel takes it."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                rest = self._unsent[0]
                sent = self.channel.send(rest)
                if sent < len(rest):
                    self._unsent[0] = rest[sent:]
                else:
                    self._unsent.popleft()

    @property
    def is_clogged(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent) and not self.closed

    def frames(self) -> Iterable[Any]:
        """Yield what the slot has said; notes when it has closed its channel.

        Yields:
            Frames, in order.
        """
        for _ in range(_READS):
            try:
                piece = self.channel.recv(_PIECE_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                piece = b""
            if not piece:
                self.closed = True
                return
            # What was printed before an outcome was sent is told while its batch is still held.
            self.read_stderr()
            self._inbox.feed(piece)
            yield from self._inbox.frames()

    def take(self, count: int) -> list[Row]:
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

    def read_stderr(self) -> bool:
        """Read what has come on stderr: keep its tail, and tell its lines.

        Returns:
            Whether there was anything; False also when the pipe has ended.
        """
        try:
            read = os.read(self.stderr_fd, _STDERR_TAIL_BYTES)
        except BlockingIOError:
            return False
        now = monotonic()
        for tag, piece, is_whole in self._unmarked.pieces(read):
            self._stderr += piece
            self.output.take(tag or (self.page.seq, self.page.item, TEXT), piece, now, is_whole=is_whole)
        if not read:
            self._stderr += self._unmarked.rest()
        if len(self._stderr) > 2 * _STDERR_TAIL_BYTES:
            del self._stderr[:-_STDERR_TAIL_BYTES]
        return bool(read)

    def _row(self, seq: int) -> Row | None:
        place = seq - self.first
        return self.held[place] if 0 <= place < len(self.held) else None

    @property
    def stderr_tail(self) -> str:
        """The end of what the slot wrote to stderr."""
        return self._stderr[-_STDERR_TAIL_BYTES:].decode("utf-8", "replace")

    def limit(self, seq: int) -> None:
        """Tell the slot not to begin any batch after this one.

        Args:
            seq: The last that it may begin.
        """
        self.page.limit = seq

    def kind_of(self, row: Row) -> str | None:
        """Tell what a batch's handler is called with.

        Args:
            row: The batch.

        Returns:
            The kind, or None when the slot does not offer the handler.
        """
        return (self.kinds or {}).get(row[HANDLER].decode("utf-8", "replace"))

    def oom_kills(self) -> int:
        """Ask whether the kernel has killed for want of memory, beyond what other deaths explain.

        Returns:
            1 or 0; a kill explains one death.
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
        self._unsent.clear()
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def kill(self, number: int = signal.SIGKILL, *, reason: str | None = None) -> None:
        """Send a signal to the slot and all that it started.

        Args:
            number: The signal.
            reason: Why, for the record.
        """
        self.killed_for = self.killed_for or reason
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def death(self) -> Death | None:
        """Ask whether the slot has ended, and clear away what it left running.

        Returns:
            How it ended, or None while it lives.
        """
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # While the leader is a zombie nobody else can have its number, so this reaches its children and no stranger.
        self.kill()
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024
        unexplained = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and self.killed_for is None
        return Death(
            status,
            usage.ru_maxrss * unit,
            usage.ru_utime + usage.ru_stime,
            self.killed_for == "pipe_closed",
            self.oom_kills() if unexplained else 0,
        )

    def dispose(self) -> None:
        """Close all that belongs to a slot that has ended."""
        self.channel.close()
        self.page.close()
        os.close(self.stderr_fd)
        if self.pidfd is not None:
            os.close(self.pidfd)

"""The slot process: imports handlers, runs batches, and reports the outcome of each.

Forked by the fork server; it has no database connection.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import socket
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import EvtrackError, HandlerImportError
from evtrack.runtime.memory_use import OwnMemory, UsageMeter, volunteer_for_oom_kill
from evtrack.runtime.slot.command import CommandDied
from evtrack.runtime.slot.failures import PartialFailure, batch_failure
from evtrack.runtime.slot.framing import FrameReader, encode_frame
from evtrack.runtime.slot.handlers import CANARY_HANDLER
from evtrack.runtime.slot.lifetime import (
    await_stop,
    die_with_parent,
    dump_traceback_at_limit,
    has_handlers_of_users,
    let_copies_react,
)
from evtrack.runtime.slot.loading import load_handlers, put_on_path
from evtrack.runtime.slot.output import install_last_resort, redirect_output
from evtrack.runtime.slot.permits import Permits
from evtrack.runtime.slot.process_tree import mark_as_slot
from evtrack.runtime.slot.protocol import (
    CHANNEL_CLOSED,
    BatchesDone,
    BatchPartlyDone,
    FromSlot,
    ItemMark,
    ItemsDone,
    Setup,
    SlotBloated,
    SlotReady,
    SlotUnready,
    Work,
    join_results,
)
from evtrack.runtime.slot.runners import Runner, make_runner, may_be_interrupted
from evtrack.runtime.slot.shared_page import NO_LIMIT, SharedPage
from evtrack.storage.connection import worker_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.domain.claimed_batch import ClaimedBatch

FLUSH_S: Final = 0.002
"""Age at which outcomes are sent. Until then they are on the shared page, where they outlive this process."""

USAGE_S: Final = 0.01
"""Run time from which a batch's peak memory and CPU time are measured: for shorter ones it would cost too much."""

_PIECE_BYTES: Final = 1 << 20


class Slot:
    """Runs the batches that the supervisor sends, until the supervisor is gone.

    Args:
        channel: The socket to the supervisor.
        page: The shared page.
    """

    def __init__(self, *, channel: socket.socket, page: SharedPage) -> None:
        self._channel = channel
        self._page = page
        self._reader = FrameReader(Setup | Work)
        self._runners: dict[bytes, Runner] = {}
        self._permits = Permits(page, self._send_early)
        self._first = 1
        self._run_s: list[float] = []
        self._results: list[bytes | None] = []
        self._flushed_at = 0.0
        self._usage: list[tuple[int, int, float]] = []
        self._memory = OwnMemory()
        self._meter = UsageMeter()

    def run(self) -> int:
        """Import the handlers, then run batches.

        Returns:
            The exit code.
        """
        frames = self._frames()
        try:
            setup = next(frames, None)
            if not isinstance(setup, Setup):
                return 1
            if not self._set_up(setup):
                return 1
            for frame in frames:
                if isinstance(frame, Work) and not self._work(frame):
                    break
        except (BrokenPipeError, ConnectionResetError):
            return 1  # the supervisor is gone
        except SystemExit:
            if has_handlers_of_users():
                await_stop(self._is_limited)
            raise
        finally:
            # Also when a handler calls sys.exit(): batches completed before it must not be blamed or run again.
            self._flush()
        return 0

    def _set_up(self, setup: Setup) -> bool:
        put_on_path(setup.path)
        worker_database.dsn = setup.dsn
        try:
            offered = load_handlers(setup.imports, setup.commands, setup.only)
        except HandlerImportError as error:
            self._send(SlotUnready(error.module, error.traceback))
            return False
        except EvtrackError as error:
            self._send(SlotUnready("", error.message, error.hint))
            return False
        install_last_resort()
        # Not among the handlers that it reports: only `evtrack doctor` uses it.
        self._runners = {CANARY_HANDLER.encode(): lambda _: None}
        page, send, permits = self._page, self._send_early, self._permits
        self._runners |= {each.name.encode(): make_runner(each, page, send, permits) for each in offered}
        self._send(SlotReady({handler.name: str(handler.kind) for handler in offered}, self._memory.rss_bytes()))
        return True

    def _work(self, work: Work) -> bool:
        """Run a group of batches.

        Args:
            work: The group.

        Returns:
            Whether to go on: False when the supervisor wants no more.
        """
        page, runners = self._page, self._runners
        if not self._run_s:
            self._first = work.first
        now = self._flushed_at = monotonic()
        self._meter.restart(now)
        for seq, batch in enumerate(work.batches, work.first):
            page.begin(seq, now)
            # Compared after the batch is recorded: a supervisor that lowers the limit and then reads the page knows
            # which batch runs.
            if seq > page.limit:
                page.undo_begin()
                return False
            begun = now
            try:
                result = runners[batch.handler](batch)
            except SystemExit:
                raise
            except BaseException as error:  # noqa: BLE001  user code may raise anything; the slot lives on
                now = monotonic()
                page.end()
                self._report_failure(seq, batch, now - begun - self._permits.take_waited_s(), error)
                self._meter.restart(now)
                continue
            now = monotonic()
            if batch.isolation:
                begun += self._permits.take_waited_s()
            run_s = now - begun
            recorded = (
                page.outcomes.add(seq, run_s, result)
                if run_s < USAGE_S
                else page.outcomes.add(seq, run_s, result, *self._take_usage(seq))
            )
            self._run_s.append(run_s)
            self._results.append(result)
            if not recorded:
                page.end()
            if not recorded or now - self._flushed_at > FLUSH_S:
                self._flush()
                self._flushed_at = now
                self._meter.restart(now)
                if self._is_bloated():
                    return False
        return not self._is_bloated()

    def _take_usage(self, seq: int) -> tuple[int, float]:
        """Return the peak memory and the CPU time of the batch that has just completed, and keep them for its frame."""
        of_command, peak_rss_bytes, cpu_s = self._page.command_usage
        if of_command != seq:
            peak_rss_bytes, cpu_s = self._meter.read()
        self._usage.append((len(self._run_s), peak_rss_bytes, cpu_s))
        return peak_rss_bytes, cpu_s

    def _is_bloated(self) -> bool:
        """Report and return whether this process holds more memory than it may between two batches."""
        limit = self._page.recycle_rss
        if not limit or (rss_bytes := self._memory.rss_bytes()) <= limit:
            return False
        self._flush()
        self._send(SlotBloated(rss_bytes, limit))
        return True

    def _report_failure(self, seq: int, batch: ClaimedBatch, run_s: float, error: BaseException) -> None:
        self._flush()
        self._first = seq + 1
        interrupted = may_be_interrupted(error, monotonic() - run_s)
        if interrupted:
            await_stop(self._is_limited)
        if isinstance(error, PartialFailure) and error.lines:
            self._send(BatchPartlyDone(seq, run_s, join_results(error.lines), error.failures, interrupted))
        elif isinstance(error, CommandDied):
            self._send(error.frame(seq, run_s, interrupted=interrupted))
        elif isinstance(error, KeyError) and batch.handler not in self._runners:
            missing = LookupError(
                f"batch {batch.batch_no} needs the handler {batch.handler.decode()!r}, which is not offered here"
            )
            self._send(batch_failure(seq, run_s, missing))
        else:
            self._send(batch_failure(seq, run_s, error, interrupted=interrupted))

    def _is_limited(self) -> bool:
        """Return whether the supervisor wants no more batches after this one, as when it is being stopped."""
        return self._page.limit != NO_LIMIT

    def _flush(self) -> None:
        if self._run_s:
            count = len(self._run_s)
            results = self._results if any(result is not None for result in self._results) else None
            frame = BatchesDone(self._first, self._run_s, results, self._usage)
            self._first += count
            self._run_s, self._results, self._usage = [], [], []
            self._send(frame)
            self._page.outcomes.clear()

    def _send_early(self, frame: ItemsDone | ItemMark) -> None:
        """Send a frame about the batch that runs."""
        # Outcomes are reported in the order in which batches ended.
        self._flush()
        self._send(frame)

    def _send(self, frame: FromSlot) -> None:
        try:
            self._channel.sendall(encode_frame(frame))
        except OSError as error:
            if error.errno in {errno.EBADF, errno.ENOTSOCK}:
                # One of these batches has closed the channel: that is a crash, even if it then returned.
                self._page.outcomes.clear()
                os._exit(CHANNEL_CLOSED)
            # At once, past user code that may catch any exception: nobody is left to report to.
            os._exit(1)

    def _frames(self) -> Iterator[Setup | Work]:
        channel, reader = self._channel, self._reader
        while True:
            yield from reader.frames()
            try:
                piece = channel.recv(_PIECE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._flush()
                piece = channel.recv(_PIECE_BYTES)
            if not piece:
                return
            reader.feed(piece)


def main(channel_fd: int, page_fd: int, stderr_fd: int, *, parent_pid: int) -> int:
    """Run a slot.

    Args:
        channel_fd: The socket to the supervisor.
        page_fd: The shared page.
        stderr_fd: The pipe from which the supervisor reads this process's output.
        parent_pid: The fork server.

    Returns:
        The exit code.
    """
    die_with_parent(parent_pid)
    let_copies_react()
    mark_as_slot(parent_pid)
    volunteer_for_oom_kill()
    os.dup2(stderr_fd, 2)
    os.close(stderr_fd)
    faulthandler.enable(file=2, all_threads=True)
    dump_traceback_at_limit()
    page = SharedPage(page_fd)
    redirect_output(page)
    for fd in (channel_fd, page_fd):
        os.set_inheritable(fd, False)  # noqa: FBT003  the signature of os
    with socket.socket(fileno=channel_fd) as channel:
        return Slot(channel=channel, page=page).run()

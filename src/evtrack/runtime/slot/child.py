"""The child process: imports handlers, runs batches, says what became of each.

Forked by the fork server. It knows nothing of the database.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import signal
import socket
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import EvtrackError, HandlerImportError
from evtrack.runtime.slot.failures import Partial, batch_failure
from evtrack.runtime.slot.framing import FrameReader, encode
from evtrack.runtime.slot.handlers import CANARY_HANDLER
from evtrack.runtime.slot.lifetime import die_with_parent, trace_on_sigterm
from evtrack.runtime.slot.loading import load, put_on_path
from evtrack.runtime.slot.output import take_last_resort, take_over
from evtrack.runtime.slot.protocol import (
    CHANNEL_CLOSED,
    BatchesDone,
    BatchPartlyDone,
    CommandKilled,
    FromSlot,
    ItemsDone,
    Setup,
    SlotReady,
    SlotUnready,
    Work,
)
from evtrack.runtime.slot.results import Runner, joined
from evtrack.runtime.slot.runners import runner
from evtrack.runtime.slot.shared_page import SharedPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.domain.claimed_batch import ClaimedBatch

FLUSH_S: Final = 0.002
"""Outcomes go out when they are this old: what a crash can make run again is what is still here."""

_PIECE_BYTES: Final = 1 << 20


class Slot:
    """Runs what the supervisor sends, until there is no supervisor.

    Args:
        channel: The socket to the supervisor.
        page: The shared page.
    """

    def __init__(self, *, channel: socket.socket, page: SharedPage) -> None:
        self._channel = channel
        self._page = page
        self._inbox = FrameReader(Setup | Work)
        self._runners: dict[bytes, Runner] = {}
        self._first = 1
        self._run_s: list[float] = []
        self._results: list[bytes | None] = []
        self._flushed_at = 0.0

    def run(self) -> int:
        """Set up, then work.

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
            return 1  # the supervisor is gone, and with it whoever wants to know
        finally:
            # Also on the way out of sys.exit() in a handler: what completed before it is not blamed or run again.
            self._flush()
        return 0

    def _set_up(self, setup: Setup) -> bool:
        put_on_path(setup.path)
        try:
            offered = load(setup.imports, setup.commands, setup.only)
        except HandlerImportError as error:
            self._say(SlotUnready(error.module, error.traceback))
            return False
        except EvtrackError as error:
            self._say(SlotUnready("", error.message, error.hint))
            return False
        take_last_resort()
        # Not among those that it says to offer: only `evtrack doctor` asks for it.
        self._runners = {CANARY_HANDLER.encode(): lambda _: None}
        self._runners |= {each.name.encode(): runner(each, self._page, self._tell_progress) for each in offered}
        self._say(SlotReady({handler.name: str(handler.kind) for handler in offered}))
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
        for seq, row in enumerate(work.rows, work.first):
            if row.attempt > 1:
                # It came back, so it may be what kills this process: what is done by now shall not die with it.
                self._flush()
            page.begin(seq, now)
            # Asked after it is marked: a supervisor that lowers the limit and then reads the mark knows what runs.
            if seq > page.limit:
                page.withdraw()
                return False
            begun = now
            try:
                result = runners[row.handler](row)
            except SystemExit:
                raise
            except BaseException as error:  # noqa: BLE001  user code may raise anything; the slot lives on
                now = monotonic()
                self._trouble(seq, row, now - begun, error)
                continue
            now = monotonic()
            self._run_s.append(now - begun)
            self._results.append(result)
            if now - self._flushed_at > FLUSH_S:
                self._flush()
                self._flushed_at = now
        return True

    def _trouble(self, seq: int, row: ClaimedBatch, run_s: float, error: BaseException) -> None:
        self._flush()
        self._first = seq + 1
        if isinstance(error, Partial) and error.lines:
            self._say(BatchPartlyDone(seq, run_s, joined(error.lines), error.failures))
        elif type(error).__name__ == "CommandDied" and hasattr(error, "number"):
            self._say(CommandKilled(seq, run_s, error.number, *getattr(error, "facts", ("",))))
        elif isinstance(error, KeyError) and row.handler not in self._runners:
            missing = LookupError(f"batch {row.batch_no} wants the handler {row.handler.decode()!r}, not offered here")
            self._say(batch_failure(seq, run_s, missing))
        else:
            self._say(batch_failure(seq, run_s, error))

    def _flush(self) -> None:
        if self._run_s:
            count = len(self._run_s)
            results = self._results if any(result is not None for result in self._results) else None
            frame = BatchesDone(self._first, self._run_s, results)
            self._first += count
            self._run_s, self._results = [], []
            self._say(frame)

    def _tell_progress(self, frame: ItemsDone) -> None:
        # What ended before is told before.
        self._flush()
        self._say(frame)

    def _say(self, frame: FromSlot) -> None:
        try:
            self._channel.sendall(encode(frame))
        except OSError as error:
            # At once, and past user code that may catch anything: whoever would be told is gone.
            os._exit(CHANNEL_CLOSED if error.errno in {errno.EBADF, errno.ENOTSOCK} else 1)

    def _frames(self) -> Iterator[Setup | Work]:
        channel, inbox = self._channel, self._inbox
        while True:
            yield from inbox.frames()
            try:
                piece = channel.recv(_PIECE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._flush()
                piece = channel.recv(_PIECE_BYTES)
            if not piece:
                return
            inbox.feed(piece)


def main(channel_fd: int, page_fd: int, stderr_fd: int, *, parent_pid: int) -> int:
    """Be a slot.

    Args:
        channel_fd: The socket to the supervisor.
        page_fd: The shared page.
        stderr_fd: Where the supervisor reads what this process has to say to people.
        parent_pid: The fork server.

    Returns:
        The exit code.
    """
    die_with_parent(parent_pid)
    # Ctrl-C is the supervisor's to hear; it then tells the slots.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(stderr_fd, 2)
    os.close(stderr_fd)
    faulthandler.enable(file=2, all_threads=True)
    # A batch over its limit gets this one first.
    trace_on_sigterm()
    page = SharedPage(page_fd)
    take_over(page)
    for fd in (channel_fd, page_fd):
        os.set_inheritable(fd, False)  # noqa: FBT003  the signature of os
    with socket.socket(fileno=channel_fd) as channel:
        return Slot(channel=channel, page=page).run()

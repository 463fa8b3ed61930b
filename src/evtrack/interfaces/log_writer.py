"""Writes log lines and messages to stderr on a thread of its own: a reader that stops costs lines, never work.

A pipe that nobody reads, a full disk or a closed terminal would otherwise stop the process that logs.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from contextlib import suppress
from io import TextIOWrapper
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_CHARACTERS: Final = 4 << 20
"""Most characters that wait to be written; further lines are dropped and counted."""

NOTICE_WAIT_S: Final = 1.0
"""How long a message waits until it is written, so that it stands before what is printed after it."""

_STALL_S: Final = 1.0
"""Without any line written for this long, an exiting process gives up on the rest."""
_CLOSE_S: Final = 10.0
"""Longest time that an exiting process takes to write what is left."""
_POLL_MS: Final = 1000


class _Line(NamedTuple):
    stream: TextIO
    text: str


class LogWriter:
    """Writes lines in the order in which they were given.

    Before `start`, each line is written at once by whoever logs it.

    Args:
        limit: Most characters that wait to be written.
    """

    def __init__(self, *, limit: int = HELD_CHARACTERS) -> None:
        self._limit = limit
        self._on_dropped: Callable[[int, str], None] = lambda *_: None
        self._lock = threading.RLock()
        self._queue: SimpleQueue[_Line | Callable[[], object]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._held = self._dropped = self._written = 0
        self._reason = ""
        self._is_stuck = self._is_torn = False
        os.register_at_fork(after_in_child=self._reset)

    def start(self, on_dropped: Callable[[int, str], None]) -> None:
        """Write on a thread from now on; a second call does nothing.

        Args:
            on_dropped: Called on that thread, once lines arrive again after some were dropped, with the number of the
                dropped ones and the reason. It may log.
        """
        if self._thread is None:
            self._on_dropped = on_dropped
            self._thread = threading.Thread(target=self._run, name="evtrack-log", daemon=True)
            self._thread.start()

    def write(self, text: str, *, wait_s: float = 0.0, stream: TextIO | None = None) -> None:
        """Write a text to stderr; never fails, and never waits for the reader.

        Args:
            text: One line or several, with the newline.
            wait_s: How long to wait for it to be written, unless the one before was not written in that time.
            stream: Another stream.
        """
        # Looked up for each line: a progress bar, which draws below the lines, or a test may have replaced the stream.
        stream = stream or sys.stderr
        if self._thread is None:
            _write_now(stream, text)
            return
        with self._lock:
            if self._held + len(text) > self._limit:
                self._dropped += 1
                self._reason = "nobody reads the log fast enough"
                return
            self._held += len(text)
        self._queue.put(_Line(stream, text))
        if wait_s:
            self.wait(wait_s)

    def wait(self, wait_s: float) -> None:
        """Wait until everything written so far has arrived, unless waiting has been in vain before.

        Args:
            wait_s: For how long.
        """
        if not self._is_stuck:
            self._is_stuck = not self.flush(wait_s)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the writer's thread; safe in a signal handler, which must not log or lock by itself.

        Args:
            function: It may log.
        """
        if self._thread is None:
            function()
        else:
            self._queue.put(function)

    def flush(self, wait_s: float) -> bool:
        """Wait until everything written so far has arrived.

        Args:
            wait_s: For how long.

        Returns:
            Whether it has.
        """
        if self._thread is None or threading.current_thread() is self._thread:
            return True
        arrived = threading.Event()
        self._queue.put(arrived.set)
        return arrived.wait(wait_s)

    def close(self) -> None:
        """Write what is left, as long as lines arrive; called when the process exits."""
        give_up_at = monotonic() + _CLOSE_S
        # A second time for what was said about dropped lines meanwhile.
        for _ in range(2):
            written = -1
            while not self.flush(_STALL_S):
                if self._written == written or monotonic() > give_up_at:
                    return
                written = self._written

    def _reset(self) -> None:
        # A forked copy has no such thread, and another thread may have held the lock.
        self._lock, self._queue, self._thread = threading.RLock(), SimpleQueue(), None

    def _run(self) -> None:
        while True:
            entry = self._queue.get()
            if isinstance(entry, _Line):
                self._write_line(entry)
            else:
                with suppress(Exception):  # the thread lives on, whatever is called
                    entry()

    def _write_line(self, line: _Line) -> None:
        failure: Exception | None = None
        try:
            self._write_to(line.stream, line.text)
        except (OSError, ValueError) as error:  # a closed stream raises ValueError
            failure = error
        with self._lock:
            self._held -= len(line.text)
            if failure is not None:
                self._dropped += 1
                self._reason = getattr(failure, "strerror", None) or str(failure)
                return
            self._written += 1
            self._is_stuck = False
            dropped, reason = self._dropped, self._reason
            if not dropped or self._held > self._limit // 2:
                return
            self._dropped = 0
        with suppress(Exception):
            self._on_dropped(dropped, reason)

    def _write_to(self, stream: TextIO, text: str) -> None:
        if not isinstance(stream, TextIOWrapper):
            stream.write(text)
            stream.flush()
            return
        # Past the stream's buffer, whose lock would be held while the reader makes this thread wait.
        torn = "\n" if self._is_torn else ""
        rest = memoryview((torn + text).encode(stream.encoding, "backslashreplace"))
        whole = len(rest)
        try:
            while rest:
                with suppress(BlockingIOError):
                    rest = rest[os.write(stream.fileno(), rest) :]
                    continue
                ready = select.poll()
                ready.register(stream.fileno(), select.POLLOUT)
                ready.poll(_POLL_MS)
        finally:
            self._is_torn = 0 < len(rest) < whole or (self._is_torn and len(rest) == whole)


def _write_now(stream: TextIO, text: str) -> None:
    with suppress(OSError):
        stream.write(text)
        stream.flush()


WRITER: Final = LogWriter()
"""The one writer of this process."""


class QueuedStream:
    """A terminal that is drawn on through the writer: what holds its output does not hold who draws.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Return what else the terminal has."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text after all before it."""
        WRITER.write(text, stream=self._stream)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the writer keeps no text back."""

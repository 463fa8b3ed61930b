"""When handlers were called, in a page of memory that all processes of a machine share: the clock of each benchmark.

A process that handles jobs takes a line of its own, so that counting needs no lock. Times are CLOCK_MONOTONIC in
nanoseconds. The handlers of evtrack and of all peers count here, so this module needs nothing but Python.
"""

import fcntl
import mmap
import os
import struct
import time
from pathlib import Path

VARIABLE = "BENCH_STAMPS"
"""The environment variable that names the file."""
NUMBERED = 4096
"""How many jobs can have a stamp of their own."""

_LINES = 64
_WORDS = 2 * _LINES + NUMBERED
_WORD = struct.Struct("q")

now = time.monotonic_ns


class Stamps:
    """The page. Created by the benchmark, and opened by each process that handles jobs.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._page = mmap.mmap(self._file.fileno(), _WORDS * _WORD.size)
        self._calls = 0
        self._line: int | None = None

    @classmethod
    def create(cls, path: Path) -> "Stamps":
        """Create the file, without any call in it."""
        path.write_bytes(bytes(_WORDS * _WORD.size))
        return cls(path)

    @classmethod
    def opened(cls) -> "Stamps":
        """Open the file that the environment names."""
        return cls(Path(os.environ[VARIABLE]))

    def call(self, number: int = -1) -> None:
        """Note that a handler was called now.

        Args:
            number: The job's number, if its own time matters; negative if not.
        """
        at = now()
        if self._line is None:
            self._line = self._free_line()
            self._set(2 * self._line, at)
        self._calls += 1
        self._set(2 * self._line + 1, self._calls)
        if 0 <= number < NUMBERED:
            self._set(2 * _LINES + number, at)

    def first(self) -> int | None:
        """Return when the first handler was called; None if none was."""
        return min((at for line in range(_LINES) if (at := self._get(2 * line))), default=None)

    def calls(self) -> int:
        """Return how often handlers were called."""
        return sum(self._get(2 * line + 1) for line in range(_LINES))

    def of(self, number: int) -> int | None:
        """Return when a job's handler was called; None if it was not."""
        return self._get(2 * _LINES + number) or None

    def _free_line(self) -> int:
        # The lock is the process's and ends with it; no other process counts in this line meanwhile.
        for line in range(_LINES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, line)
            except OSError:
                continue
            if not self._get(2 * line):
                return line
        raise RuntimeError(f"more than {_LINES} processes")

    def _get(self, word: int) -> int:
        return int(_WORD.unpack_from(self._page, word * _WORD.size)[0])

    def _set(self, word: int, value: int) -> None:
        _WORD.pack_into(self._page, word * _WORD.size, value)

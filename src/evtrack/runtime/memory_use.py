"""Reads how much memory this process holds, and volunteers it for the kernel's kill when memory runs out."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from time import process_time
from typing import Final

_PAGE_BYTES: Final = resource.getpagesize()
_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
_PEAK_RESET_S: Final = 0.02
_OOM_SCORE: Final = "/proc/self/oom_score_adj"
_OOM_SCORE_RISE: Final = 500
_OOM_SCORE_MOST: Final = 1000


class OwnMemory:
    """Reads how much memory this process holds: on Linux now, elsewhere at most so far."""

    def __init__(self) -> None:
        try:
            self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def rss_bytes(self) -> int:
        """Return the resident memory."""
        if self._fd >= 0:
            with suppress(OSError, IndexError, ValueError):  # a handler may have closed it
                return int(os.pread(self._fd, 200, 0).split()[1]) * _PAGE_BYTES
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT


class UsageMeter:
    """Measures the peak memory and the CPU time of stretches of this process's life."""

    def __init__(self) -> None:
        self._cpu_s = 0.0
        self._peak_since = 0.0

    def restart(self, now: float) -> None:
        """Begin a stretch. Its CPU time counts from here, its peak memory from at most 20 ms earlier.

        Args:
            now: The monotonic clock.
        """
        self._cpu_s = process_time()
        if now - self._peak_since > _PEAK_RESET_S:
            self._peak_since = now
            _reset_peak()

    def read(self) -> tuple[int, float]:
        """Return the peak memory in bytes and the CPU time in seconds since `restart`."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
        return peak, process_time() - self._cpu_s


def _reset_peak() -> None:
    # Elsewhere the peak stays that of the process's whole life. Opened each time: a handler that closes all files, and
    # opens its own, must not find this in them.
    with suppress(OSError):
        fd = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"5")
        finally:
            os.close(fd)


def volunteer_for_oom_kill() -> None:
    """Have the kernel kill this process, and those that it starts, before its parent when memory runs out."""
    with suppress(OSError, ValueError), open(_OOM_SCORE, "r+", encoding="ascii") as file:  # noqa: PTH123  pathlib costs a slot a millisecond of imports
        score = min(int(file.read()) + _OOM_SCORE_RISE, _OOM_SCORE_MOST)
        file.seek(0)
        file.write(str(score))

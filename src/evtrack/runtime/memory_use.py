"""What a process can tell and decide about its own memory: how much it holds, and who dies first when there is none."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from typing import Final

_PAGE_BYTES: Final = resource.getpagesize()
_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
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


def volunteer_for_oom_kill() -> None:
    """Have the kernel kill this process, and those that it starts, before its parent when memory runs out."""
    with suppress(OSError, ValueError), open(_OOM_SCORE, "r+", encoding="ascii") as file:  # noqa: PTH123  pathlib costs a slot a millisecond of imports
        score = min(int(file.read()) + _OOM_SCORE_RISE, _OOM_SCORE_MOST)
        file.seek(0)
        file.write(str(score))

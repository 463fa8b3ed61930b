"""Searches the kernel's log for the processes that it killed for lack of memory, where the log may be read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_RECORD_BYTES: Final = 8192
_MOST_RECORDS: Final = 20_000
_LINE_BOUND: Final = 300
_KILLED: Final = re.compile(r"[Kk]illed process (\d+)\b")
_MICROSECONDS: Final = 1_000_000


def find_kill(pids: Collection[int], *, since: float, path: Path = Path("/dev/kmsg")) -> str:
    """Find the line about the kill of one of some processes.

    Args:
        pids: The processes.
        since: Ignore lines from before this time of the monotonic clock: a process id is used again.
        path: The kernel's log.

    Returns:
        The last such line; empty when there is none, or the log may not be read.
    """
    found = ""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        for at, line in _records(fd):
            killed = _KILLED.search(line)
            if at >= since and killed and int(killed[1]) in pids:
                found = line[:_LINE_BOUND]
    finally:
        os.close(fd)
    return found


def _records(fd: int) -> Iterator[tuple[float, str]]:
    for _ in range(_MOST_RECORDS):
        try:
            record = os.read(fd, _RECORD_BYTES)
        except BrokenPipeError:
            continue  # records were overwritten before they were read
        except OSError:
            return  # the end, or no right to read
        if not record:
            return
        head, _, text = record.decode("utf-8", "replace").partition(";")
        fields = head.split(",")
        if len(fields) > 2 and fields[2].isdigit():  # noqa: PLR2004  level, sequence number, time
            yield int(fields[2]) / _MICROSECONDS, text.partition("\n")[0]

"""How much memory a slot holds, with all processes that its handlers have started."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from evtrack.runtime.slot.process_tree import descendants

if TYPE_CHECKING:
    import psutil


def exceeds(slot_pid: int, command_pid: int, limit_bytes: int) -> bool:
    """Return whether a slot and the processes below it hold more memory than a limit.

    Args:
        slot_pid: The slot.
        command_pid: The command that it runs, or 0: off Linux its other processes are not found.
        limit_bytes: The limit.

    Returns:
        Whether they do. What a handler has forked shares memory with the slot; shared memory counts once.
    """
    pids = {slot_pid, command_pid, *descendants(slot_pid)} - {0}
    if sum(_rss_bytes(pid) for pid in pids) <= limit_bytes:
        return False
    # What is shared takes the kernel a while to add up, so it is asked only now.
    return len(pids) == 1 or sum(_pss_bytes(pid) for pid in pids) > limit_bytes


def _rss_bytes(pid: int) -> int:
    import psutil  # noqa: PLC0415  tens of milliseconds that only a worker with a memory limit should pay

    try:
        return int(_process(pid).memory_info().rss)
    except psutil.Error:
        return 0  # it has ended


def _pss_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return _rss_bytes(pid)


@lru_cache(maxsize=4096)
def _process(pid: int) -> psutil.Process:
    """Return a handle, cached because making one costs more than reading its memory; it depends on the pid alone."""
    import psutil  # noqa: PLC0415  as above

    return psutil.Process(pid)

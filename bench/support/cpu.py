"""The CPU time of a server: of all its processes, however little each has used."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


def tree_cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process and its children, with those that have ended.

    Running ones are read in nanoseconds. In ticks of 10 ms, the sessions of an idle fleet, which began together and
    use the same little time, are all rounded alike: such figures of one fleet ranged from 1 to 4 % of a core.
    """
    times = process.cpu_times()
    total = float(times.children_user + times.children_system)
    for each in (process, *process.children()):
        with suppress(psutil.NoSuchProcess):
            total += _on_cpu_s(each)
    return total


def _on_cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process of one thread."""
    try:
        return int(Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    except OSError:  # it has ended, or this system does not show it
        times = process.cpu_times()
        return float(times.user + times.system)

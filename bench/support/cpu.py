"""The processes of a server on this machine, and their CPU time, however little each has used."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from support import database

if TYPE_CHECKING:
    from support.database import Connection


def postmaster_of(conn: Connection) -> psutil.Process:
    """Return the process of the server.

    Args:
        conn: A connection to a server on this machine, as a superuser.
    """
    directory = Path(database.value(conn, "SHOW data_directory"))
    return psutil.Process(int((directory / "postmaster.pid").read_text(encoding="utf-8").split()[0]))


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

"""Finds which processes a process has started: its children, their children and so on. Only on Linux."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from typing import Any, Final

SLOT_VARIABLE: Final = "EVTRACK_SLOT"
"""Environment variable of a slot, which what it starts inherits: the fork server's process, a colon, the slot's."""

KEPT: Final = "none"
"""Value of SLOT_VARIABLE for a program that may outlive its slot and worker."""

_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37
_NAME: Final = "evtrack:"
"""Begins the short name of a slot, which a copy inherits that it forks; the slot's process follows."""
_PARENT: Final = 1
_START: Final = 19
"""Places in /proc/PID/stat, counted after the command's name."""


def become_subreaper() -> None:
    """Become the parent of all descendants whose own parent ends, so that none of them gets out of sight."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def adopts_orphans() -> bool:
    """Return whether this process becomes the parent of descendants whose own parent ends."""
    if sys.platform != "linux":
        return False
    import ctypes  # noqa: PLC0415  as below

    answer = ctypes.c_int(0)
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer))
    return bool(answer.value) or os.getpid() == 1


def mark_as_slot(fork_server_pid: int) -> None:
    """Mark this process as a slot, so that what it starts can be traced back to it even without its parents.

    Args:
        fork_server_pid: The fork server.
    """
    pid = os.getpid()
    os.environ[SLOT_VARIABLE] = f"{fork_server_pid}:{pid}"
    prctl(_PR_SET_NAME, f"{_NAME}{pid}".encode())


def slot_of(pid: int, fork_server_pid: int) -> int | None:
    """Return which slot has started a process, directly or not.

    Args:
        pid: The process.
        fork_server_pid: The slot's fork server.

    Returns:
        The slot; None if the process bears no mark of one of its slots.
    """
    fork_server, _, slot = (environment_value(pid, SLOT_VARIABLE) or "").partition(":")
    if fork_server != str(fork_server_pid):
        _, _, slot = command_name(pid).partition(_NAME)
    return int(slot) if slot.isdecimal() else None


def is_kept(pid: int) -> bool:
    """Return whether a process may outlive its slot and worker: the embedded server may."""
    return environment_value(pid, SLOT_VARIABLE) == KEPT


def descendants(pid: int) -> list[int]:
    """List everything that a process has started and that still has a parent below it.

    Costs one small file for each thread of each process.

    Args:
        pid: The process; it need not exist any more.

    Returns:
        Process ids, parents before their children; zombies are among them.
    """
    found: list[int] = []
    parents = [pid]
    while parents:
        parents = [child for parent in parents for child in children(parent)]
        found += parents
    return found


def children(pid: int) -> list[int]:
    """List the child processes of a process.

    Args:
        pid: The process; it need not exist any more.

    Returns:
        Process ids; zombies are among them.
    """
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  as above
            with suppress(ProcessLookupError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123  as above
                found += map(int, file.read().split())
    except FileNotFoundError:
        # The process is gone, or this kernel (gVisor's) does not list children.
        return [] if _HAS_CHILDREN else _children_by_scan(pid)
    except OSError:
        return []
    return found


def start_time(pid: int) -> int | None:
    """Return when a process started: with its id, what identifies it even after the id was given to another.

    Args:
        pid: The process.

    Returns:
        Clock ticks since the machine's start; None when it is gone or a zombie.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] == b"Z" else int(fields[_START])


def environment_value(pid: int, name: str) -> str | None:
    """Return a variable of the environment that a process was started with.

    Args:
        pid: The process.
        name: The variable.

    Returns:
        Its value; None when it has none, or when the process is gone or another user's.
    """
    data = _read(f"/proc/{pid}/environ") or b""
    start = f"{name}=".encode()
    return next(
        (each[len(start) :].decode("utf-8", "replace") for each in data.split(b"\0") if each[: len(start)] == start),
        None,
    )


def command_name(pid: int) -> str:
    """Return the short name of a process; empty when it is gone."""
    return (_read(f"/proc/{pid}/comm") or b"").decode("utf-8", "replace").rstrip("\n")


def output_of(pid: int) -> set[str]:
    """Return what the standard output and error of a process are connected to.

    Args:
        pid: The process; it need not exist any more.

    Returns:
        A name for each, such as ``pipe:[4711]``.
    """
    found = set()
    for fd in (1, 2):
        with suppress(OSError):
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))  # noqa: PTH115  as above
    return found


def prctl(option: int, value: Any) -> None:
    """Set an attribute of this process, where the kernel has it (Linux).

    Args:
        option: The attribute.
        value: Its value.
    """
    if sys.platform == "linux":
        _libc().prctl(option, value)


@cache
def _libc() -> Any:
    # A fork server loads it, and its slots find it loaded: that takes a third of a millisecond.
    import ctypes  # noqa: PLC0415  its import takes a few milliseconds, and only Linux needs it

    return ctypes.CDLL(None)


def _children_by_scan(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc") if os.path.exists("/proc/self/stat") else ():  # noqa: PTH110, PTH208  as above
        fields = _stat(int(name)) if name.isdigit() else None
        if fields is not None and int(fields[_PARENT]) == parent:
            found.append(int(name))
    return found


def _stat(pid: int) -> list[bytes] | None:
    data = _read(f"/proc/{pid}/stat")
    # The command's name stands in parentheses, and may hold anything.
    return data[data.rfind(b")") + 2 :].split() if data else None


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  as above
            return file.read()
    except OSError:
        return None


_HAS_CHILDREN: Final = _read(f"/proc/self/task/{os.getpid()}/children") is not None

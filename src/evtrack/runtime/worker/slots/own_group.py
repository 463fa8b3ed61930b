"""Finds the control group of this process that bounds memory, and whether groups may be made below it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.runtime.worker.slots.control_groups import control_groups

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES: Final = "cgroup.procs"
"""The file of a group's members; a process that is written to it becomes one."""

_DELEGATED: Final = ("user.delegate", "trusted.delegate")
"""Extended attributes that systemd sets to 1 on a group that it leaves to a service."""


@dataclass(frozen=True, slots=True)
class OwnGroup:
    """The control group of this process that bounds memory.

    Args:
        path: Its directory.
        version: 1 or 2.
    """

    path: Path
    version: int

    @property
    def is_delegated(self) -> bool:
        """Whether systemd has marked it as left to this service; version 1 has no such mark."""
        return self.version > 1 and any(_attribute(self.path, name) == b"1" for name in _DELEGATED)


def own_group(proc: Path, root: Path) -> OwnGroup:
    """Find the group of this process.

    Args:
        proc: The file that names the process's control groups.
        root: Where control groups are mounted.

    Returns:
        The group.

    Raises:
        OSError: It cannot be found.
    """
    for own in control_groups(proc, root):
        for group in (own.path, own.top):
            if str(os.getpid()) in members(group):
                return OwnGroup(group, 2 if own.is_unified else 1)
    raise FileNotFoundError("no control group of this process that bounds memory")


def members(group: Path) -> list[str]:
    """List the processes of a group; none if it cannot be read.

    Args:
        group: Its directory.
    """
    with suppress(OSError):
        return (group / PROCESSES).read_text(encoding="ascii").split()
    return []


def move(pid: int | str, group: Path) -> None:
    """Make a process a member of a group; what it starts from then on becomes one too.

    Args:
        pid: The process.
        group: The group's directory.

    Raises:
        OSError: It may not become one.
    """
    (group / PROCESSES).write_text(str(pid), encoding="ascii")


def _attribute(path: Path, name: str) -> bytes:
    with suppress(OSError, AttributeError):  # only Linux has them
        return os.getxattr(path, name)
    return b""

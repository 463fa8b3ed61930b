"""The control group of one slot: a limit behind evtrack's own, and a counter of the kernel's kills in this slot."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from evtrack.runtime.slot.process_tree import is_kept
from evtrack.runtime.worker.slots.oom_kills import OomKillCounter
from evtrack.runtime.worker.slots.own_group import members, move

if TYPE_CHECKING:
    from pathlib import Path

_MIB: Final = 1 << 20


class SlotGroup:
    """Holds a slot and all that it starts.

    Args:
        path: The group's directory, which exists.
        version: 1 or 2.
        home: The group for processes that may outlive the slot.
    """

    def __init__(self, path: Path, *, version: int, home: Path) -> None:
        self.path = path
        self._is_old = version == 1
        self._home = home
        self._limit_bytes: int | None = 0
        """None after a batch without a limit, 0 before the first batch."""
        self._kills = OomKillCounter([path / ("memory.oom_control" if self._is_old else "memory.events")])

    def allow(self, limit_bytes: int | None) -> None:
        """Let the slot use more memory than before; a limit is never lowered, which could kill the slot at once.

        Args:
            limit_bytes: How much; None for no limit.
        """
        if self._limit_bytes is None or (limit_bytes is not None and limit_bytes <= self._limit_bytes):
            return
        name, no_limit = ("memory.limit_in_bytes", "-1") if self._is_old else ("memory.max", "max")
        with suppress(OSError):
            if limit_bytes is not None or self._limit_bytes:
                (self.path / name).write_text(str(limit_bytes or no_limit), encoding="ascii")
            self._limit_bytes = limit_bytes

    @property
    def has_reached_limit(self) -> bool:
        """Whether the slot's own limit made the kernel look for something to kill, not that of a group around it."""
        name, key = ("memory.failcnt", "") if self._is_old else ("memory.events", "oom ")
        with suppress(OSError, ValueError):
            for line in (self.path / name).read_text(encoding="ascii").splitlines():
                if line.startswith(key):
                    return int(line.removeprefix(key)) > 0
        return False

    def take_oom_kill(self) -> str:
        """Take an out-of-memory kill in this slot that no other death has taken.

        Returns:
            The evidence; empty when there is none.
        """
        found = self._kills.take()
        if found and self.has_reached_limit and self._limit_bytes:
            return f"{found}, the slot's own control group, at its limit of {self._limit_bytes / _MIB:.0f} MiB"
        return found

    def remove(self) -> bool:
        """Kill what the slot has left, and remove the group.

        Returns:
            Whether it is gone; what was killed needs a moment to end.
        """
        # A handler may have made groups below it.
        for top, _, _ in os.walk(self.path, topdown=False):
            group = self.path / top
            for pid in members(group):
                with suppress(OSError):
                    if is_kept(int(pid)):
                        move(pid, self._home)
                    elif int(pid) > 0:  # 0 is a process that is not visible from here
                        os.kill(int(pid), signal.SIGKILL)
            with suppress(OSError):
                group.rmdir()
        return not self.path.exists()

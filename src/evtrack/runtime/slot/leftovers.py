"""What slots have started and not ended: reaped when it is dead, killed when its slot has ended.

The fork server adopts each process whose parent ends. Whose it was shows its mark, its place in the tree when that was
last looked at, or that all slots that may have started it have ended.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Final

from evtrack.runtime.slot.process_tree import (
    adopts_orphans,
    children,
    descendants,
    is_kept,
    output_of,
    slot_of,
    start_time,
)

_ROUNDS: Final = 100
"""How often to look again for what a process has started before it was killed."""
_QUIET_ROUNDS: Final = 2
"""How many looks in a row must find nothing before the search ends."""
_END_S: Final = 3.0
"""How long killed processes may take to end."""
_POLL_S: Final = 0.005
_REAP_S: Final = 1.0


class Leftovers:
    """Finds and ends them, in the process that adopts them."""

    def __init__(self) -> None:
        self._own = os.getpid()
        self._slots: dict[int, str] = {}
        """Each slot, and the pipe that it writes its output to."""
        self._origins: dict[tuple[int, int], frozenset[int]] = {}
        """The slots that may have started a process, by its id and its start."""

    def add_slot(self, pid: int, stderr_fd: int) -> None:
        """Record a slot: it is nobody's leftover.

        Args:
            pid: The slot.
            stderr_fd: The pipe that it writes its output to, as does what it starts unless that is redirected.
        """
        self._slots[pid] = f"pipe:[{os.fstat(stderr_fd).st_ino}]"

    def observe(self) -> None:
        """Reap what is dead, remember what each slot has started, and kill what belongs to slots that have ended."""
        origins: dict[tuple[int, int], frozenset[int]] = {}
        for slot in self._slots:
            for pid in descendants(slot):
                started = start_time(pid)
                if started is not None:
                    origins[pid, started] = frozenset({slot})
        for pid in self._adopted():
            started = start_time(pid)
            if started is not None:
                origins[pid, started] = self._origin(pid, started)
        self._origins = origins
        self._kill_orphans()

    def end_slot(self, slot: int) -> None:
        """Kill what an ended slot has left.

        Args:
            slot: The slot, whose exit status has not been taken yet.
        """
        # While the leader is a zombie no other process can have its pid, so this kills only the leader's own children.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(slot, signal.SIGKILL)
        self._kill_orphans(ended=slot)
        self._slots.pop(slot, None)

    def end_all(self) -> None:
        """Kill the slots and everything that they have started, and wait for its end."""
        deadline = time.monotonic() + _END_S
        self._slots.clear()
        while True:
            left = [pid for pid in self._adopted() if not is_kept(pid)]
            if not left or time.monotonic() > deadline:
                return
            for pid in left:
                kill_tree(pid)
            time.sleep(_POLL_S)

    def _kill_orphans(self, *, ended: int = 0) -> None:
        killed: set[int] = set()
        for _ in range(_ROUNDS):
            found = [pid for pid in self._adopted() if pid not in killed and self._is_orphan(pid, ended)]
            if not found:
                return
            for pid in found:
                kill_tree(pid)
            killed.update(found)

    def _adopted(self) -> list[int]:
        """List what is a child of this process without being a slot, without what is dead."""
        return [pid for pid in children(self._own) if pid not in self._slots and not _reap(pid)]

    def _is_orphan(self, pid: int, ended: int) -> bool:
        started = start_time(pid)
        if started is None or is_kept(pid):
            return False
        return not self._origin(pid, started) & (self._slots.keys() - {ended})

    def _origin(self, pid: int, started: int) -> frozenset[int]:
        known = self._origins.get((pid, started))
        if known is None:
            slot = slot_of(pid, self._own)
            output = output_of(pid)
            found = {slot} if slot else {each for each, pipe in self._slots.items() if pipe in output}
            known = self._origins[pid, started] = frozenset(found or self._slots)
        return known


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants, but none that may outlive its worker, and nothing below that.

    Args:
        pid: The process.
    """
    left = [pid]
    while left:
        pid = left.pop()
        if not is_kept(pid):
            # Before it ends: its children have another parent then.
            left += children(pid)
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _reap(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def kill_leftovers(fork_server_pid: int) -> None:
    """Kill what a fork server has left to this process, which adopts it.

    Args:
        fork_server_pid: The fork server, which has ended.
    """
    deadline = time.monotonic() + _END_S
    killed: set[int] = set()
    quiet = 0
    while quiet < _QUIET_ROUNDS and time.monotonic() < deadline:
        others = [pid for pid in children(os.getpid()) if pid not in killed]
        found = [pid for pid in others if slot_of(pid, fork_server_pid) is not None and not is_kept(pid)]
        for pid in found:
            kill_tree(pid)
        killed.update(found)
        # What a process has started becomes a child of this one when it has ended, some time after it was killed.
        ends = any(start_time(pid) is not None for pid in killed)
        quiet = 0 if found or ends else quiet + 1
        if ends:
            time.sleep(_POLL_S)


class Zombies:
    """Reaps adopted processes that nobody waits for, in a process that starts others too and waits for those."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._reap_at = 0.0

    def reap(self, now: float, known: int | None = None) -> None:
        """Reap, now and then, what was dead already at the time before.

        Args:
            now: The monotonic clock.
            known: A process that somebody waits for.
        """
        if now < self._reap_at:
            return
        self._reap_at = now + _REAP_S
        if adopts_orphans():
            dead = {pid for pid in children(os.getpid()) if pid != known and start_time(pid) is None}
            for pid in dead & self._seen:
                _reap(pid)
            self._seen = dead

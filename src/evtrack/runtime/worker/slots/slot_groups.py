"""Gives each slot a control group of its own where the worker's is delegated to it: the kernel then kills that slot."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep, time
from typing import Final

import structlog

from evtrack.domain import log_names
from evtrack.runtime.worker.slots.control_groups import PROC, ROOT
from evtrack.runtime.worker.slots.own_group import OwnGroup, members, move, own_group
from evtrack.runtime.worker.slots.slot_group import SlotGroup

_LEAF: Final = "worker"
"""Name of the group of the supervisor and the fork server: in version 2, a group with members cannot bound others."""
_PREFIX: Final = "evtrack-slot-"
_REMOVE_S: Final = 2.0
_STALE_S: Final = 60.0
_POLL_S: Final = 0.005

_log = structlog.get_logger()


class SlotGroups:
    """Makes the groups of slots and removes them. If anything is missing, slots run without, in the worker's group.

    Args:
        wanted: Whether to make them: None for only where systemd has delegated the worker's group.
        proc: The file that names the process's control groups.
        root: Where control groups are mounted.
    """

    def __init__(self, *, wanted: bool | None = None, proc: Path = PROC, root: Path = ROOT) -> None:
        self._wanted = wanted
        self._places = proc, root
        self._is_open = False
        self._own: OwnGroup | None = None
        # In containers every worker may be process 1.
        self._names = f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        self._numbers = itertools.count(1)
        self._living: list[SlotGroup] = []
        self._ended: list[SlotGroup] = []

    def open(self, *fork_servers: int) -> None:
        """Prepare the worker's group, before the first slot is started; a second call does nothing.

        Args:
            fork_servers: Processes of the worker besides this one.
        """
        if self._is_open or self._wanted is False:
            return
        self._is_open = True
        try:
            own = own_group(*self._places)
            if not self._wanted and not own.is_delegated:
                return
            _prepare(own, own.path / self._names, [os.getpid(), *fork_servers])
        except OSError as error:
            self._log_unavailable(error)
            return
        self._own = own
        _remove_stale(own.path)
        _log.info(log_names.SLOT_GROUPS_CREATED, group=str(own.path), version=own.version)

    def admit(self, pid: int) -> SlotGroup | None:
        """Put a new slot into a group of its own, before it runs anything.

        Args:
            pid: The slot.

        Returns:
            The group, or None without one.
        """
        if self._own is None:
            return None
        path = self._own.path / f"{self._names}-{next(self._numbers)}"
        try:
            path.mkdir()
            group = SlotGroup(path, version=self._own.version, home=_home(self._own))
            self._living.append(group)
            if self._own.version > 1:
                # What a program leaves without its slot, or a slot without its program, is of no use.
                (path / "memory.oom.group").write_text("1", encoding="ascii")
            move(pid, path)
        except OSError as error:
            self._log_unavailable(error)
            with suppress(OSError):
                path.rmdir()
            return None
        return group

    def release(self, group: SlotGroup | None) -> None:
        """Remove the group of a slot that has ended, and kill what is left in it.

        Args:
            group: The group; None does nothing.
        """
        if group is not None:
            self._living.remove(group)
            self._ended.append(group)
            self.sweep()

    def sweep(self) -> None:
        """Try again to remove the groups whose last processes were still ending."""
        if self._ended:
            self._ended = [group for group in self._ended if not group.remove()]

    def close(self) -> None:
        """Remove all groups, after the last slot and the fork server have ended; a second call does nothing."""
        own, self._own = self._own, None
        if own is None:
            return
        self._ended += self._living
        self._living.clear()
        deadline = monotonic() + _REMOVE_S
        self.sweep()
        while self._ended and monotonic() < deadline:
            sleep(_POLL_S)
            self.sweep()
        if own.version > 1:
            _undo(own)

    def _log_unavailable(self, error: OSError) -> None:
        level = _log.warning if self._wanted else _log.debug
        level(log_names.SLOT_GROUPS_UNAVAILABLE, error=str(error))


def _home(own: OwnGroup) -> Path:
    return own.path if own.version == 1 else own.path / _LEAF


def _prepare(own: OwnGroup, trial: Path, processes: list[int]) -> None:
    if own.version == 1:
        if (own.path / "memory.use_hierarchy").read_text(encoding="ascii").strip() != "1":
            raise OSError(f"{own.path} does not count the memory of groups below it")
        # Whether groups may be made here is known only afterwards.
        trial.mkdir()
        trial.rmdir()
        return
    if "memory" not in (own.path / "cgroup.controllers").read_text(encoding="ascii").split():
        raise OSError(f"{own.path} does not bound memory")
    try:
        _home(own).mkdir(exist_ok=True)
        for pid in processes:
            move(pid, _home(own))
        # Fails if other processes are members of the group too.
        _control(own, "+memory")
    except OSError:
        _undo(own)
        raise


def _undo(own: OwnGroup) -> None:
    with suppress(OSError):
        _control(own, "-memory")
    for pid in members(_home(own)):
        with suppress(OSError):
            move(pid, own.path)
    with suppress(OSError):
        _home(own).rmdir()


def _control(own: OwnGroup, change: str) -> None:
    (own.path / "cgroup.subtree_control").write_text(change, encoding="ascii")


def _remove_stale(path: Path) -> None:
    """Remove what workers have left that were killed; a group that has members stays."""
    for group in path.glob(f"{_PREFIX}*"):
        worker = group.name.removeprefix(_PREFIX).split("-")[0]
        with suppress(OSError):
            # That of a slot that is just being started is empty too.
            if not Path("/proc", worker).exists() or time() - group.stat().st_mtime > _STALE_S:
                group.rmdir()

"""How much memory the container leaves to a worker: the least limit of its control group and those above it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from evtrack.runtime.worker.slots.control_groups import PROC, ROOT, control_groups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESERVE_BYTES: Final = 128 << 20
"""What the supervisor and its fork server need."""

_STEP_BYTES: Final = 16 << 20
_NAMES: Final = ("memory.max", "memory.limit_in_bytes")
_NO_LIMIT_BYTES: Final = 1 << 60
"""Version 1 has no word for "no limit", but the largest number of whole pages."""


class ContainerLimit(NamedTuple):
    """A limit of a control group.

    Args:
        limit_bytes: The limit.
        file: Where it stands.
    """

    limit_bytes: int
    file: Path


def container_limit(*, proc: Path = PROC, root: Path = ROOT) -> ContainerLimit | None:
    """Find the limit that applies to this process.

    Args:
        proc: The file that names the process's control groups.
        root: Where control groups are mounted.

    Returns:
        The least limit of its group and those above it, or None when there is no limit.
    """
    limits = [ContainerLimit(limit, file) for file in _files(proc, root) if (limit := _read(file)) is not None]
    return min(limits, default=None)


class Fit(NamedTuple):
    """How many slots of which size fit into the memory there is.

    Args:
        max_rss_bytes: A limit with which the batches that were measured would have run.
        slots: How many slots with this limit fit.
        memory_bytes: The memory there is.
        source: What it is the memory of.
    """

    max_rss_bytes: int
    slots: int
    memory_bytes: int
    source: str


def fitting(peak_bytes: int | None, idle_bytes: int, *, killed_bytes: int | None = None) -> Fit | None:
    """Find out how many slots fit on this machine or into this container.

    Args:
        peak_bytes: The largest peak of a batch that completed, if any.
        idle_bytes: What an idle slot holds, such as the spare.
        killed_bytes: The largest peak of an attempt that ended for lack of memory, if any.

    Returns:
        The limit and the number, or None without any peak.
    """
    most = max(peak_bytes or 0, killed_bytes or 0)
    if not most:
        return None
    limit = container_limit()
    memory_bytes, source = _machine_bytes(), "this machine"
    if limit is not None and limit.limit_bytes < memory_bytes:
        memory_bytes, source = limit.limit_bytes, "this container"
    # A quarter more than ever seen, in steps of 16 MiB.
    wanted = -(-most * 5 // 4 // _STEP_BYTES) * _STEP_BYTES
    return Fit(wanted, max(0, (memory_bytes - RESERVE_BYTES - idle_bytes) // wanted), memory_bytes, source)


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _files(proc: Path, root: Path) -> Iterator[Path]:
    for own in control_groups(proc, root):
        for group in (own.path, *own.path.parents):
            for name in _NAMES:
                yield group / name
            if group == own.top:
                break


def _read(file: Path) -> int | None:
    try:
        limit = int(file.read_text(encoding="ascii"))  # "max" is no number
    except (OSError, ValueError):
        return None
    return limit if limit < _NO_LIMIT_BYTES else None

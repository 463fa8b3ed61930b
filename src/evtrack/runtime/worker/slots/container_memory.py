"""How much memory the container leaves to a worker: the least limit of its control group and those above it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

RESERVE_BYTES: Final = 128 << 20
"""What the supervisor and its fork server need."""

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


def container_limit(
    *, proc: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> ContainerLimit | None:
    """Find the limit that applies to this process.

    Args:
        proc: The file that names the process's control groups.
        root: Where control groups are mounted.

    Returns:
        The least limit of its group and those above it, or None when there is no limit.
    """
    limits = [ContainerLimit(limit, file) for file in _files(proc, root) if (limit := _read(file)) is not None]
    return min(limits, default=None)


def _files(proc: Path, root: Path) -> Iterator[Path]:
    try:
        lines = proc.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        group = top / path.strip("/")
        # In a namespace the path may name groups that are not mounted here; the mount then is the own group.
        for each in (group, *group.parents):
            for name in _NAMES:
                yield each / name
            if each == top:
                break


def _read(file: Path) -> int | None:
    try:
        limit = int(file.read_text(encoding="ascii"))  # "max" is no number
    except (OSError, ValueError):
        return None
    return limit if limit < _NO_LIMIT_BYTES else None

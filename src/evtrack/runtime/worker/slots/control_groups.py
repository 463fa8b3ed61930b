"""Finds this process's control groups that account memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC: Final = Path("/proc/self/cgroup")
ROOT: Final = Path("/sys/fs/cgroup")


class ControlGroup(NamedTuple):
    """A process's own group in one hierarchy.

    Args:
        path: Its directory. In a namespace the path may name groups that are not mounted here.
        top: Where its hierarchy is mounted; in a namespace, that is the own group.
        is_unified: Whether it belongs to version 2, with all controllers in one hierarchy.
    """

    path: Path
    top: Path
    is_unified: bool


def control_groups(proc: Path, root: Path) -> Iterator[ControlGroup]:
    """Read which groups account this process's memory.

    Args:
        proc: The file that names the process's control groups.
        root: Where control groups are mounted.

    Yields:
        The own group in version 2 and in version 1; nothing where there are no control groups.
    """
    try:
        lines = proc.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            top = root / "memory" if controllers else root
            yield ControlGroup(top / path.strip("/"), top, not controllers)

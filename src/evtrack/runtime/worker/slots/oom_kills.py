"""Detects whether the kernel killed a process for lack of memory: only the control group's counter is evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.runtime.worker.slots.control_groups import PROC, ROOT, control_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_COUNTER: Final = "oom_kill"


class OomKillCounter:
    """Counts out-of-memory kills in a control group; each kill is taken once.

    Args:
        files: The counter's files; None for those of this process's group.
        proc: The file that names the process's control groups.
        root: Where control groups are mounted.
    """

    def __init__(self, files: Iterable[Path] | None = None, *, proc: Path = PROC, root: Path = ROOT) -> None:
        candidates = _candidates(proc, root) if files is None else files
        self._files = [path for path in candidates if kill_count(path) is not None]
        self._taken = {path: kill_count(path) or 0 for path in self._files}

    def take(self) -> str:
        """Take one kill that was not taken before, as the explanation of one death.

        Returns:
            The evidence: the counter's file and values; empty when there is no such kill, or no counter.
        """
        for path in self._files:
            count, taken = kill_count(path) or 0, self._taken[path]
            if count > taken:
                for each in self._files:
                    self._taken[each] = min(self._taken[each] + 1, kill_count(each) or 0)
                return f"{_COUNTER} rose from {taken} to {count} in {path}"
        return ""


def _with_ancestors(path: Path, root: Path) -> Iterator[Path]:
    yield path
    for group in path.parent.parents:
        if group == root or root not in group.parents:
            break
        yield group / path.name


def _candidates(proc: Path, root: Path) -> Iterator[Path]:
    """Yield the files that may hold the counter: of cgroup v2, of v1, and of v1 as seen inside a namespace."""
    for own in control_groups(proc, root):
        if own.is_unified:
            yield own.path / "memory.events"
        else:
            yield own.path / "memory.oom_control"
            if own.path != own.top:
                yield own.top / "memory.oom_control"


def kill_counters(*, proc: Path = PROC, root: Path = ROOT) -> dict[str, int]:
    """Read the counters of this process's control groups and of the groups around them.

    Args:
        proc: The file that names the process's control groups.
        root: Where control groups are mounted.

    Returns:
        The kills so far, by file.
    """
    files = [path for own in _candidates(proc, root) for path in _with_ancestors(own, root)]
    counts = {str(path): kill_count(path) for path in files}
    return {file: count for file, count in counts.items() if count is not None}


def kill_count(path: Path) -> int | None:
    """Read a counter of out-of-memory kills.

    Args:
        path: Its file.

    Returns:
        The kills so far; None when the file has no such counter or cannot be read.
    """
    try:
        words = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        return None
    counts = [int(value) for name, value in words if name == _COUNTER]
    return counts[0] if counts else None

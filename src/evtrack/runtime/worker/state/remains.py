"""Finds and reads the directories of workers that died."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.state.description import LOCK_FILE, PREFIX, read_description

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from evtrack.runtime.worker.state.description import WorkerDescription

OLD_S: Final = 7 * 86_400
"""Age after which what a dead worker left is removed, even if nobody could report it."""

T = TypeVar("T")

_MOST_PAGES: Final = 4096
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Remains:
    """The locked directory of a worker that died.

    Args:
        path: The directory.
        directory: Its open descriptor.
        touched_at: Unix time at which its worker last showed that it lives.
    """

    def __init__(self, path: Path, directory: int, touched_at: float) -> None:
        self.path = path
        self.touched_at = touched_at
        self._directory = directory

    def description(self) -> WorkerDescription | None:
        """Read who left it.

        Returns:
            The worker; None when the description is missing or damaged.
        """
        with suppress(OSError, ValueError):
            return read_description(self._directory)
        return None

    def read_pages(self, read: Callable[[SharedPage], T]) -> list[T] | None:
        """Read the pages of its slots, one after the other: they may be many.

        Args:
            read: Called with a copy of each page that is whole.

        Returns:
            What it returned for each; None while a slot still lives.
        """
        found = []
        names = [name for name in _names(self._directory) if name.endswith(".page")]
        for name in names[:_MOST_PAGES]:
            with ExitStack() as stack:
                try:
                    fd = os.open(name, _FLAGS, dir_fd=self._directory)
                    stack.callback(os.close, fd)
                    if not _is_ours(fd, stat.S_ISREG):
                        continue
                    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    page = SharedPage.read(fd)
                except BlockingIOError:
                    return None
                except (OSError, ValueError):
                    continue
                found.append(read(page))
        return found

    def remove(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.path, ignore_errors=True)


def remains_of(base: Path, *, own: str) -> list[Path]:
    """List the workers' directories, without a look into them.

    Args:
        base: The state directory.
        own: Name of one's own directory.

    Returns:
        The directories of all other workers, alive or dead.
    """
    return [base / name for name in _names(base) if name.startswith(PREFIX) and name != own]


@contextmanager
def locked_remains(path: Path) -> Iterator[Remains | None]:
    """Lock a worker's directory, if its worker has died and nobody else has locked it.

    Args:
        path: The directory.

    Yields:
        The directory; None when it is not one that a dead worker of this user left, or no longer.
    """
    with ExitStack() as stack:
        yield _lock(path, stack)


def _lock(path: Path, stack: ExitStack) -> Remains | None:
    try:
        # Never through a link, and nothing of other users: whoever wrote it could name anything.
        directory = os.open(path, _FLAGS | os.O_DIRECTORY)
        stack.callback(os.close, directory)
        if not _is_ours(directory, stat.S_ISDIR):
            return None
        try:
            lock = os.open(LOCK_FILE, _FLAGS | os.O_RDWR, dir_fd=directory)
        except FileNotFoundError:
            # A directory has its lock before it has its name, so this one is damaged, or being removed.
            return Remains(path, directory, os.fstat(directory).st_mtime)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        facts = os.fstat(lock)
        # Without a name left, another process has reported and removed it in the meantime.
        return Remains(path, directory, facts.st_mtime) if facts.st_nlink and _is_ours(lock, stat.S_ISREG) else None
    except OSError:
        return None


def _names(directory: Path | int) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries)
    except OSError:
        return []


def _is_ours(fd: int, is_kind: Callable[[int], bool]) -> bool:
    facts = os.fstat(fd)
    return facts.st_uid == os.geteuid() and is_kind(facts.st_mode)

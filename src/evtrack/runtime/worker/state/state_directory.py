"""The directory in which a running worker keeps what its successor needs, should it die."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec
import platformdirs
import structlog

from evtrack.domain import log_names
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.state.description import (
    LOCK_FILE,
    PREFIX,
    describe_this_process,
    write_description,
)

_ROOT_STATE: Final = Path("/var/lib/evtrack/state")
_PAGES_KEPT: Final = 2048
"""Twice as many as there are slots at most."""

_LOST: Final = (
    "if this worker is killed together with its slots, its successor cannot tell which items were in hand or done:"
    " name a directory that it may write to with --state-dir"
)

_log = structlog.get_logger()


def default_state_dir() -> Path:
    """Return the state directory when EVTRACK_STATE_DIR is not set."""
    return _ROOT_STATE if os.geteuid() == 0 else Path(platformdirs.user_state_dir("evtrack"))


class StateDirectory:
    """A worker's own directory below the state directory. Where it cannot be written, pages are memory only.

    Args:
        base: The state directory, which many workers may share.
    """

    def __init__(self, base: Path) -> None:
        self.base = base.expanduser().absolute()
        self.description = describe_this_process()
        self._path: Path | None = None
        self._fd = self._lock_fd = -1
        self._pages: dict[Path, SharedPage] = {}
        self._numbers = count(1)
        self._warned = False

    @property
    def name(self) -> str:
        """The name of the worker's own directory; empty while there is none."""
        return "" if self._path is None else self._path.name

    def open(self) -> None:
        """Create the worker's own directory, and lock it for as long as this process lives."""
        if self._path is not None:
            return
        name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        # Under another name until it is locked: others would take it for what a dead worker left.
        partly = self.base / f".{name}"
        try:
            self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
            partly.mkdir(mode=0o700)
            self._fd = os.open(partly, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._lock_fd = os.open(LOCK_FILE, flags, 0o600, dir_fd=self._fd)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_description(self._fd, self.description)
            partly.rename(self.base / name)
        except OSError as error:
            self._warn(error)
            shutil.rmtree(partly, ignore_errors=True)
            self._close_descriptors()
            return
        self._path = self.base / name

    def new_page(self) -> SharedPage:
        """Create the page of a slot.

        Returns:
            The page: a file in the directory, or memory where that is not possible.
        """
        if self._path is not None:
            path = self._path / f"slot-{next(self._numbers)}.page"
            try:
                page = self._pages[path] = SharedPage.create(path)
            except OSError as error:
                self._warn(error)
            else:
                if len(self._pages) > _PAGES_KEPT:
                    self.remove_closed(monotonic())
                return page
        return SharedPage.create()

    def describe(self, *, worker_id: int, database: str) -> None:
        """Record under which id the worker is registered; it may hold batches from now on.

        Args:
            worker_id: Its id.
            database: Which database that is.
        """
        self.description = msgspec.structs.replace(self.description, worker_id=worker_id, database=database)
        if self._path is not None:
            try:
                write_description(self._fd, self.description)
            except OSError as error:
                self._warn(error)
                # A description of another registration would make the successor report the wrong worker.
                self.close()

    def remove_closed(self, until: float) -> None:
        """Remove the pages of slots that have ended.

        Args:
            until: Keep those that were closed after this monotonic time: their outcomes may not be committed yet.
        """
        for path, page in list(self._pages.items()):
            if page.closed_at is not None and page.closed_at <= until:
                self._pages.pop(path, None)
                with suppress(OSError):
                    path.unlink()

    def touch(self) -> None:
        """Show that the directory is not old."""
        if self._lock_fd >= 0:
            try:
                os.utime(self._lock_fd)
            except OSError as error:
                self._warn(error)

    def close(self) -> None:
        """Remove the worker's own directory: nothing is in hand any more. A second call does nothing."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None
        self._close_descriptors()

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(log_names.STATE_DIRECTORY_UNAVAILABLE, directory=str(self.base), error=str(error), hint=_LOST)

    def _close_descriptors(self) -> None:
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1

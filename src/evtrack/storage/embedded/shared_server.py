"""The embedded PostgreSQL server: several evtrack processes share one, and the last user stops it."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import connect
from evtrack.storage.embedded.data_directory import ServerPaths, errors_explained, prepare
from evtrack.storage.embedded.ownership import open_private
from evtrack.storage.embedded.postmaster import Postmaster
from evtrack.storage.schema import migrations

DATABASE = "evtrack"

_LOCK_TIMEOUT_S = 120.0
_POLL_S = 0.05


class EmbeddedServer:
    """One embedded server, shared with the other evtrack processes of this data directory.

    A process that uses the server holds a shared lock on a file. When it releases the server, it tries to lock the file
    exclusively: if it can, it is the last user, and stops the server. The kernel frees the lock of a killed process,
    and exec closes the file, so slots never hold it.

    Args:
        data_dir: The data directory.
    """

    def __init__(self, data_dir: Path) -> None:
        self.paths: ServerPaths = prepare(data_dir)
        self._postmaster = Postmaster(self.paths)
        self._users: IO[str] | None = None
        self._marker = self.paths.base / "kept"

    @property
    def dsn(self) -> str:
        """The connection string of evtrack's database."""
        return self._postmaster.dsn_of(DATABASE)

    @property
    def pid(self) -> int | None:
        """The server's process id, None if it is not running."""
        return self._postmaster.pid()

    @property
    def kept(self) -> bool:
        """Whether the server keeps running without users."""
        try:
            return int(self._marker.read_text(encoding="ascii")) == self.pid
        except (OSError, ValueError):
            return False

    def acquire(self) -> str:
        """Start the server if it is not running, migrate its schema, and use it until `release`.

        Returns:
            The connection string.

        Raises:
            EvtrackError: It does not start.
        """
        with self._start_lock():
            self._users = self._open("users.lock")
            try:
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._postmaster.ensure_running()
                self._postmaster.ensure_database(DATABASE)
                with connect(self.dsn, purpose="migrate") as conn:
                    if not migrations.status(conn).current:
                        migrations.up(conn)
            except BaseException:
                self._leave()
                raise
        return self.dsn

    def release(self) -> None:
        """Stop using the server; as the last user also stop it, unless it should keep running."""
        if self._users is not None:
            with self._start_lock():
                self._leave()

    def keep(self) -> None:
        """Keep the server running after its last user leaves; call it while the server is acquired."""
        with open(self._marker, "w", encoding="ascii", opener=open_private) as marker:
            marker.write(str(self.pid))

    def stop(self) -> bool:
        """Stop the server unless a process uses it; then its last user will stop it.

        Returns:
            Whether the server is stopped now.
        """
        with self._start_lock(), self._open("users.lock") as users:
            self._marker.unlink(missing_ok=True)
            if self.pid is None:
                return True
            if not _locked_exclusively(users):
                return False
            self._postmaster.stop()
            return True

    def _leave(self) -> None:
        """Give up the shared lock; the caller holds the start lock, so no other process intervenes."""
        if self._users is not None:
            if _locked_exclusively(self._users) and not self.kept:
                self._postmaster.stop()
                self._marker.unlink(missing_ok=True)
            self._users.close()
            self._users = None

    def _open(self, name: str) -> IO[str]:
        with errors_explained(self.paths.base):
            # Private: whoever can open it can lock it, and keep everybody waiting.
            return open(self.paths.base / name, "a", encoding="ascii", opener=open_private)

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        """Hold the start lock: one process at a time starts, stops, acquires or releases the server."""
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        with self._open("start.lock") as lock:
            while not _locked_exclusively(lock):
                if time.monotonic() > deadline:
                    raise EvtrackError(
                        f"Another evtrack process has been starting or stopping the embedded server for "
                        f"{_LOCK_TIMEOUT_S:.0f} s.",
                        hint=f"Find it with `fuser {lock.name}`.",
                    )
                time.sleep(_POLL_S)
            yield


def _locked_exclusively(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

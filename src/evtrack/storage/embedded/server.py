"""The embedded PostgreSQL server: several evtrack processes share one, and the last to leave stops it."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import connect
from evtrack.storage.embedded.directory import Home, prepare, usable
from evtrack.storage.embedded.postmaster import Postmaster
from evtrack.storage.schema import migrations

DATABASE = "evtrack"

_LOCK_TIMEOUT_S = 120.0
_POLL_S = 0.05


class EmbeddedServer:
    """Share one embedded server with the other evtrack processes of this data directory.

    A process that uses the server holds a shared lock on a file. Whoever lets go of it asks for the lock alone: who
    gets it is the last, and stops the server. The kernel frees the lock of a killed process, and exec closes the
    file, so slots never hold it.

    Args:
        data_dir: The data directory.
    """

    def __init__(self, data_dir: Path) -> None:
        self.home: Home = prepare(data_dir)
        self._postmaster = Postmaster(self.home)
        self._users: IO[str] | None = None
        self._marker = self.home.base / "kept"

    @property
    def dsn(self) -> str:
        """The connection string of evtrack's database."""
        return self._postmaster.dsn_of(DATABASE)

    @property
    def pid(self) -> int | None:
        """The server's process id, None if it is down."""
        return self._postmaster.pid()

    @property
    def kept(self) -> bool:
        """Whether the present server stays up without users."""
        try:
            return int(self._marker.read_text(encoding="ascii")) == self.pid
        except (OSError, ValueError):
            return False

    def acquire(self) -> str:
        """Start the server if it is not up, bring its schema up to date, and use it until `release`.

        Returns:
            The connection string.

        Raises:
            EvtrackError: If it does not start.
        """
        with self._alone():
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
        """Let go of the server, and stop it if nobody else uses it and nobody asked to keep it up."""
        if self._users is not None:
            with self._alone():
                self._leave()

    def keep(self) -> None:
        """Keep the present server up when its last user leaves; call it while it is acquired."""
        self._marker.write_text(str(self.pid), encoding="ascii")

    def stop(self) -> bool:
        """Stop the server unless a process uses it; it then stops with the last of them.

        Returns:
            Whether the server is down now.
        """
        with self._alone(), self._open("users.lock") as users:
            self._marker.unlink(missing_ok=True)
            if self.pid is None:
                return True
            if not _locked_alone(users):
                return False
            self._postmaster.stop()
            return True

    def _leave(self) -> None:
        """Give up the shared lock; the start lock is held, so nobody comes in between."""
        if self._users is not None:
            if _locked_alone(self._users) and not self.kept:
                self._postmaster.stop()
                self._marker.unlink(missing_ok=True)
            self._users.close()
            self._users = None

    def _open(self, name: str) -> IO[str]:
        with usable(self.home.base):
            return (self.home.base / name).open("a", encoding="ascii")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the start lock: one process at a time starts, stops, comes and goes."""
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        with self._open("start.lock") as lock:
            while not _locked_alone(lock):
                if time.monotonic() > deadline:
                    raise EvtrackError(
                        f"Another evtrack process has been starting or stopping the embedded server for "
                        f"{_LOCK_TIMEOUT_S:.0f} s.",
                        hint=f"Look for it with `fuser {lock.name}`.",
                    )
                time.sleep(_POLL_S)
            yield


def _locked_alone(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

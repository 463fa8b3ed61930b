"""A PostgreSQL cluster that a test owns: it is frozen, killed, filled up, cut off, and followed by a standby.

EVTRACK_FAULTS_PROGRAMS names the directory of other PostgreSQL programs than the embedded ones, for example
/usr/lib/postgresql/15/bin.
"""

import os
import pwd  # noqa: TC003
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from evtrack.storage.embedded.data_directory import prepare

_SETTINGS = {
    "fsync": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "unix_socket_permissions": "0777",
    "log_line_prefix": "%m [%p] %a ",
    "timezone": "UTC",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_wal_senders": "5",
}
_PATIENCE_S = 60.0


class Cluster:
    """One server and its files.

    Args:
        base: A new directory for its files.
        port: Its port, also in the name of its Unix socket.
        addresses: The addresses that it listens on, with commas between; none for the Unix socket only.
        inside: Words that start a program where the server should run, such as in a network namespace.
        settings: PostgreSQL's settings, on top of those that all such servers have.
        env: Variables of the server.
        log_directory: Where its write-ahead log is; None for a place among its other files.
    """

    def __init__(
        self,
        base: Path,
        *,
        port: int,
        addresses: str = "127.0.0.1",
        inside: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        log_directory: Path | None = None,
    ) -> None:
        base.mkdir(parents=True, exist_ok=True)
        base.chmod(0o755)
        paths = prepare(base)
        named = os.environ.get("EVTRACK_FAULTS_PROGRAMS")
        self.programs = Path(named) if named else paths.programs
        self.port = port
        self.data = paths.server / "data"
        self.sockets = paths.sockets
        self.log = paths.server / "server.log"
        self._user: pwd.struct_passwd | None = paths.user
        self._addresses, self._inside, self._env = addresses, list(inside), dict(env or {})
        self._log_directory = log_directory
        self._settings = {**_SETTINGS, **(settings or {})}

    def dsn(self, host: str = "", **more: Any) -> str:
        """Return a connection string, of the superuser through the Unix socket unless others are named."""
        where = {"host": host or str(self.sockets), "port": self.port, "user": "postgres", "dbname": "postgres"}
        return make_conninfo("", **{**where, **more})

    def connect(self, **more: Any) -> psycopg.Connection[Any]:
        """Connect through the Unix socket, in autocommit mode."""
        return psycopg.connect(self.dsn(**more), autocommit=True, connect_timeout=5)

    def own(self, directory: Path) -> None:
        """Make a directory that belongs to the server's user."""
        directory.mkdir()
        if self._user:
            os.chown(directory, self._user.pw_uid, self._user.pw_gid)

    def create(self) -> None:
        """Create the cluster; anybody may connect from anywhere as anyone."""
        self.run(
            "initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync",
            "--locale=C", "--no-instructions", *([f"--waldir={self._log_directory}"] if self._log_directory else []),
        )  # fmt: skip
        with (self.data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write("host all all all trust\nhost replication all all trust\nlocal replication all trust\n")

    def copy_of(self, primary: "Cluster", name: str) -> None:
        """Create this cluster as a streaming standby.

        Args:
            primary: The running server that it follows, over its Unix socket.
            name: The standby's application_name.
        """
        source = primary.dsn(dbname="", application_name=name)
        self.run("pg_basebackup", "-D", str(self.data), "-d", source, "-c", "fast", "-X", "stream", "-R", "--no-sync")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = {
            **self._settings,
            "listen_addresses": self._addresses,
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
        }
        (self.data / "postgresql.auto.conf").touch()
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self.run("pg_ctl", "start", "-w", "-s", "-D", str(self.data), "-l", str(self.log), "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is as good as a power cut."""
        with suppress(subprocess.CalledProcessError):
            self.run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", str(self.data))

    def promote(self) -> None:
        """Make a standby the primary."""
        self.run("pg_ctl", "promote", "-w", "-s", "-D", str(self.data))

    @property
    def pid(self) -> int | None:
        """The postmaster's process id."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if psutil.pid_exists(pid) else None

    def processes(self) -> list[psutil.Process]:
        """Return the postmaster and all that it has started."""
        pid = self.pid
        if pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(pid)
            return [postmaster, *postmaster.children(recursive=True)]
        return []

    def freeze(self) -> None:
        """Stop all of its processes, as a host that hangs does: the kernel still answers for them."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let its processes go on."""
        for process in reversed(self.processes()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def cpu_s(self) -> float:
        """Return the seconds of CPU that the server's living processes and those that it reaped have used."""
        pid = self.pid
        if pid is None:
            return 0.0
        total = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
                if process.pid == pid:
                    total += times.children_user + times.children_system
        return total

    def set(self, **settings: str | None) -> None:
        """Change settings of the running server with ALTER SYSTEM and a reload; None resets one."""
        with self.connect() as admin:
            for name, value in settings.items():
                change = f"SET {name} = '{value}'" if value is not None else f"RESET {name}"
                # The setting that was made may hold for this session too.
                admin.execute("SET default_transaction_read_only = off; SET statement_timeout = 0")
                admin.execute(f"ALTER SYSTEM {change}".encode())
            admin.execute("SELECT pg_reload_conf()")

    def remove(self) -> None:
        """Stop the server, and remove its files."""
        self.thaw()
        self.stop()
        shutil.rmtree(self.data.parent, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def reject(self, *, everybody: bool) -> None:
        """Refuse new connections over TCP, as a firewall of the server's own, or take them again."""
        file = self.data / "pg_hba.conf"
        rules = file.read_text(encoding="utf-8").replace("host all all all reject\n", "")
        file.write_text("host all all all reject\n" + rules if everybody else rules, encoding="utf-8")
        with self.connect() as admin:
            admin.execute("SELECT pg_reload_conf()")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the server's user, where the server runs."""
        command = [*self._inside]
        if self._user:
            command += ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]
        variables = [f"{name}={value}" for name, value in self._env.items()]
        # Not a pipe: the server would inherit it, and its end would never come.
        output = self.log.with_name(f"{program}.log")
        with output.open("w") as file:
            ended = subprocess.run(
                [*command, "env", *variables, str(self.programs / program), *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=_PATIENCE_S * 2,
                cwd="/",
            )
        if ended.returncode:
            said = output.read_text(errors="replace") + (
                self.log.read_text(errors="replace") if self.log.exists() else ""
            )
            raise subprocess.CalledProcessError(ended.returncode, [program, *arguments], said[-3000:])


def wait_for(condition: Any, timeout_s: float = _PATIENCE_S, *, every_s: float = 0.05) -> bool:
    """Poll until a condition holds; return whether it did. An error of the database is a no."""
    deadline = time.monotonic() + timeout_s
    while True:
        with suppress(psycopg.Error):
            if condition():
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)

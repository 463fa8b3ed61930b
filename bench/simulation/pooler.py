"""A pgbouncer in transaction mode in front of a server on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.commands import wait_until

from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = """
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = {clients}
default_pool_size = {sessions}
logfile = {directory}/log
pidfile = {directory}/pid
{user}
"""


class Pooler:
    """A running pooler.

    Args:
        dsn: The connection string that leads through it.
        pid: Its process.
    """

    def __init__(self, dsn: str, pid: int) -> None:
        self.dsn, self.pid = dsn, pid


def is_installed() -> bool:
    """Return whether there is a pgbouncer."""
    return _program() is not None


@contextmanager
def pooler(dsn: str, *, sessions: int, clients: int) -> Iterator[Pooler]:
    """Run a pooler.

    Args:
        dsn: The database.
        sessions: How many sessions of the server serve all clients.
        clients: How many clients may connect.
    """
    program = _program()
    assert program is not None, "pgbouncer is not installed"
    with connect(dsn, purpose="bench") as conn:
        info, host, user = conn.info, conn.info.host, conn.info.user
        server = make_conninfo(host=host, port=info.port, user=user, password=info.password or None)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    directory = Path(tempfile.mkdtemp(prefix="evtrack-bench-pooler-"))
    # It refuses to run as root; and the embedded server's socket is open to its owner only.
    runs_as = f"user = {Path(host).owner() if host.startswith('/') else 'nobody'}" if os.geteuid() == 0 else ""
    if runs_as:
        shutil.chown(directory, runs_as.partition("= ")[2])
    settings = directory / "ini"
    values = {"server": server, "port": port, "clients": clients, "sessions": sessions, "directory": directory}
    settings.write_text(_SETTINGS.format(**values, user=runs_as), encoding="utf-8")
    process = subprocess.Popen(  # noqa: S603  # Debian's own program
        [program, "-q", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        through = make_conninfo(dbname=str(conninfo_to_dict(dsn)["dbname"]), host="127.0.0.1", port=port, user=user)
        wait_until(lambda: _answers(through))
        yield Pooler(through, process.pid)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(directory, ignore_errors=True)


def _program() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _answers(dsn: str) -> bool:
    try:
        with connect(dsn, purpose="bench") as conn:
            return conn.execute("SELECT true").fetchone() == (True,)
    except EvtrackError:
        return False

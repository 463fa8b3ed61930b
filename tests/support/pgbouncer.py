"""A real pgbouncer between the tests and their server: each transaction may run in another session."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from polling import eventually

_SETTINGS = """
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
logfile = {folder}/log
pidfile = {folder}/pid
{user}
"""


@contextmanager
def pooled(dsn: str, *, sessions: int = 4) -> Iterator[str]:
    """Run a pgbouncer in transaction mode in front of a server.

    Args:
        dsn: A database of that server.
        sessions: How many sessions serve all clients of a database.

    Yields:
        The connection string that leads through it to the same database.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        # CI installs it and sets this variable: there its absence is a failure.
        assert not os.environ.get("EVTRACK_TEST_POOLER"), "pgbouncer is not installed"
        pytest.skip("pgbouncer is not installed")
    with psycopg.connect(dsn) as conn:
        info, host, user = conn.info, conn.info.host, conn.info.user
        server = make_conninfo(host=host, port=info.port, user=user, password=info.password or None)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="evtrack-test-pooler-"))
    # It refuses to run as root; and the embedded server's socket is open to its owner only.
    runner = Path(host).owner() if host.startswith("/") else "nobody"
    as_root = os.geteuid() == 0
    settings = folder / "ini"
    settings.write_text(
        _SETTINGS.format(
            server=server, port=port, sessions=sessions, folder=folder, user=f"user = {runner}" if as_root else ""
        ),
        encoding="utf-8",
    )
    if as_root:
        shutil.chown(folder, runner)
    process = subprocess.Popen([program, "-q", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        through = make_conninfo(dbname=str(conninfo_to_dict(dsn)["dbname"]), host="127.0.0.1", port=port, user=user)
        eventually(lambda: _answers(through))
        yield through
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=2) as conn:
            return conn.execute("SELECT true").fetchone() == (True,)
    except psycopg.OperationalError:
        return False

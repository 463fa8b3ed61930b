"""The PostgreSQL server of a test session: one that is named, one in a container, or the embedded one.

EVTRACK_TEST_SERVER says `container` or `embedded`, and a session fails where that is not to be had. Without it,
EVTRACK_TEST_DSN names a server, whose role must be able to create databases; without that too, a container is used
where a Docker engine answers, else the embedded server. EVTRACK_TEST_IMAGE is the container's image.
"""

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from evtrack.storage.connection.connect import connect
from evtrack.storage.embedded.shared_server import EmbeddedServer

DEFAULT_IMAGE = "postgres:15"
_numbers = count()


def chosen() -> str:
    """Return dsn, container or embedded."""
    wanted = os.environ.get("EVTRACK_TEST_SERVER", "")
    if wanted not in {"", "container", "embedded"}:
        raise ValueError(f"EVTRACK_TEST_SERVER must be container or embedded, not {wanted!r}")
    if not wanted and os.environ.get("EVTRACK_TEST_DSN"):
        return "dsn"
    return wanted or ("container" if _docker_answers() else "embedded")


@contextmanager
def running(kind: str) -> Iterator[str]:
    """Run the chosen server.

    Args:
        kind: What `chosen` returned.

    Yields:
        A connection string with which databases can be made.
    """
    if kind == "dsn":
        yield os.environ["EVTRACK_TEST_DSN"]
    elif kind == "container":
        yield from _in_a_container()
    else:
        yield from _embedded()


@contextmanager
def cloned(admin_dsn: str, template: str) -> Iterator[str]:
    """Create a database from a template, and drop it when the block ends."""
    name = f"evtrack_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield make_conninfo(admin_dsn, dbname=name)
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        # FORCE: a test that kills processes may leave their connections behind for a moment.
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _in_a_container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415  # its import talks to the Docker engine

    image = os.environ.get("EVTRACK_TEST_IMAGE", DEFAULT_IMAGE)
    container = PostgresContainer(image, driver=None).with_command("-c fsync=off -c max_connections=200")
    # Docker's own 64 MB of shared memory are too few for a parallel VACUUM of a million rows.
    container.with_kwargs(shm_size="1g")
    with container:
        yield container.get_connection_url()


def _embedded() -> Iterator[str]:
    # Not pytest's own directory: the user who runs the server for root cannot enter it.
    folder = Path(tempfile.mkdtemp(prefix="evtrack-test-"))
    server = EmbeddedServer(folder)
    try:
        dsn = server.acquire()
        with connect(dsn, purpose="test setup") as conn:
            # A test server's data need not outlive a power cut.
            conn.execute("ALTER SYSTEM SET fsync = off")
            conn.execute("SELECT pg_reload_conf()")
        yield dsn
    finally:
        server.release()
        shutil.rmtree(folder, ignore_errors=True)


def _docker_answers() -> bool:
    """Try to connect to the Docker engine; its Python client would leak a socket if none answers."""
    address = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    unix = address.scheme == "unix"
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as door:
        door.settimeout(5)
        try:
            door.connect(address.path if unix else (address.hostname or "localhost", address.port or 2375))
        except OSError:
            return False
    return True


@contextmanager
def one_of_its_own() -> Iterator[tuple[str, Callable[[], None]]]:
    """Run an embedded server for this test only.

    Yields:
        The connection string of a migrated database, and what kills the server (as `pg_ctl stop -m immediate` does)
        and starts it again.
    """
    folder = Path(tempfile.mkdtemp(prefix="evtrack-test-own-"))
    server = EmbeddedServer(folder)

    def restart() -> None:
        pid = server.pid
        assert pid is not None, "the server is up"
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 20
        while server.pid is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        server.release()
        server.acquire()

    try:
        yield server.acquire(), restart
    finally:
        server.release()
        shutil.rmtree(folder, ignore_errors=True)

"""A dashboard that serves, and those who watch it."""

import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit

from support import commands

from evtrack.storage.connection.connect import Connection

_TICKS_S = 0.01


class Served(NamedTuple):
    """A running `evtrack web`."""

    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def rss_mb(self) -> float:
        """Its memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) / 1024

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/task").iterdir())

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def cpu_s(self, conn: Connection) -> float:
        """Return the seconds of CPU that it and its sessions on this machine have used."""
        pids = [self.process.pid, *(row[0] for row in conn.execute(_SESSIONS).fetchall())]
        return sum(_cpu_s(pid) for pid in pids)


_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'evtrack web%' ORDER BY pid"


def sessions(conn: Connection) -> int:
    """Return how many sessions of dashboards there are."""
    return len(conn.execute(_SESSIONS).fetchall())


def _cpu_s(pid: int) -> float:
    try:
        # The name in parentheses may have spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICKS_S


@contextmanager
def served(dsn: str) -> Iterator[Served]:
    """Run a dashboard.

    Args:
        dsn: The database.

    Yields:
        Its process and its port.
    """
    process = commands.evtrack(
        *("--log-level", "warning", "web", "--dsn", dsn, "--port", "0", "--auth", "none"), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline().decode().strip()).port
        assert port
        yield Served(process, port)
    finally:
        if process.poll() is None:
            commands.stop(process)


def asked(port: int, address: str, *, receive_buffer: int = 0) -> socket.socket:
    """Ask for the stream of a page.

    Args:
        port: The dashboard's.
        address: The page's.
        receive_buffer: The bytes that the kernel keeps for us; 0 leaves that to it.
    """
    made = socket.socket()
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(30)
    made.connect(("127.0.0.1", port))
    made.sendall(
        f"GET /live?page={quote(address, safe='')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Accept: text/event-stream\r\n\r\n".encode()
    )
    return made


class Viewers:
    """Streams that are read in a thread.

    Args:
        port: The dashboard's.
        addresses: The pages, one for each stream.
        take: Called by the thread with the number of a stream and what it has received.
    """

    def __init__(
        self, port: int, addresses: Sequence[str], take: Callable[[int, bytes], None] = lambda _, __: None
    ) -> None:
        self.received = [0] * len(addresses)
        self.last_at = [time.monotonic()] * len(addresses)
        self.ended: set[int] = set()
        self.refused: set[int] = set()
        self._take = take
        self._is_over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._sockets = [asked(port, address) for address in addresses]
        for number, each in enumerate(self._sockets):
            self._selector.register(each, selectors.EVENT_READ, number)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def __enter__(self) -> Self:
        """Read them until the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._is_over.set()
        self._thread.join()
        for each in self._sockets:
            each.close()
        self._selector.close()

    def wait(self, least: int = 1000) -> None:
        """Wait until each has received something.

        Args:
            least: So many bytes.
        """
        commands.wait_until(lambda: min(self.received) >= least)

    def _read(self) -> None:
        while not self._is_over.is_set():
            for key, _ in self._selector.select(0.2):
                try:
                    data = key.fileobj.recv(262_144)  # type: ignore[union-attr]
                except ConnectionResetError:
                    data = b""
                if not self.received[key.data] and data.startswith(b"HTTP/1.1 503"):
                    self.refused.add(key.data)
                self.received[key.data] += len(data)
                self.last_at[key.data] = time.monotonic()
                if not data:
                    self.ended.add(key.data)
                    self._selector.unregister(key.fileobj)
                self._take(key.data, data)

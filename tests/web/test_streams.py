"""Streams over real sockets: hundreds of them, some that never read, and what is left when they have gone."""

import json
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from client import Client
from evtrack.interfaces.web.live import stream as stream_module
from evtrack.interfaces.web.live.stream import MAX_STREAMS, EventStream, StreamPlaces
from evtrack.interfaces.web.security.identity import USER, User
from evtrack.interfaces.web.serving import server as server_module
from evtrack.interfaces.web.serving.server import DashboardServer, listening_socket
from evtrack.runtime.live import hub as hub_module
from evtrack.runtime.live.hub import Hub
from polling import eventually
from watching import QueryTopic, hub_threads

pytestmark = pytest.mark.integration

NOW = "SELECT clock_timestamp()"
TOPICS = 10
WIDE = TOPICS
"""The number of one more topic, whose frames of 6 MB fill any buffer."""

DEAF = 3


class Served(NamedTuple):
    """A server of streams, and its parts."""

    port: int
    hub: Hub
    places: StreamPlaces
    server: DashboardServer
    thread: threading.Thread


@contextmanager
def served(dsn: str) -> Iterator[Served]:
    """Serve ten topics as streams at /0 to /9, and a wide one; what they show changes with each read."""
    hub, places = Hub(dsn, purpose="test streams"), StreamPlaces()
    topics = [QueryTopic(str(number), NOW) for number in range(TOPICS)]
    topics.append(QueryTopic("wide", NOW, width=200_000))

    async def answer(request: Request) -> EventStream:
        request.scope[USER] = User("")
        topic = topics[int(request.path_params["number"])]
        return EventStream(hub, topic, places, seen=request.headers.get("last-event-id", ""))

    server = DashboardServer(Starlette(routes=[Route("/{number}", answer)]), on_stop=hub.close)
    with listening_socket("127.0.0.1", 0) as at:
        thread = threading.Thread(target=server.run, args=(at,))
        thread.start()
        try:
            yield Served(at.getsockname()[1], hub, places, server, thread)
        finally:
            server.stop()
            thread.join(20)
            hub.close()
            assert not thread.is_alive()


class Streams:
    """Streams that are read in a thread, unless they are meant not to be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self.sockets: list[socket.socket] = []
        self.received: list[bytes] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def open(self, count: int, *, headers: str = "") -> None:
        """Open streams, one topic after the other."""
        for number in range(count):
            each = asked(self._port, number % TOPICS, headers=headers)
            self.sockets.append(each)
            self.received.append(b"")
            self._selector.register(each, selectors.EVENT_READ, len(self.sockets) - 1)

    def close(self) -> None:
        """Close them."""
        self._is_over.set()
        self._thread.join(20)
        for each in self.sockets:
            each.close()
        self._selector.close()

    def _read(self) -> None:
        while not self._is_over.is_set():
            for key, _ in self._selector.select(0.05):
                data = key.fileobj.recv(262_144)  # type: ignore[union-attr]
                self.received[key.data] += data
                if not data:
                    self._selector.unregister(key.fileobj)


def asked(port: int, number: int, *, headers: str = "", buffer: int = 0) -> socket.socket:
    """Ask for a stream."""
    made = socket.socket()
    if buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.settimeout(20)
    made.connect(("127.0.0.1", port))
    made.sendall(f"GET /{number} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    return made


@contextmanager
def streams(port: int) -> Iterator[Streams]:
    """Open streams, and close them."""
    made = Streams(port)
    try:
        yield made
    finally:
        made.close()


def sessions(client: Client) -> int:
    return int(client.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack test streams'"))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def descriptors_without_streams(port: int) -> int:
    """Count them once the server and the hub have their own: they open some before the first stream has an event."""
    with streams(port) as made:
        made.open(1)
        eventually(lambda: b"data: " in made.received[0])
    return descriptors()


def test_a_stream_tells_what_changes_and_that_it_lives(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "ALIVE_S", 0.2)
    with served(shared_dsn) as at, streams(at.port) as made:
        made.open(1)
        eventually(lambda: made.received[0].count(b"data: ") >= 4)
        head, _, body = made.received[0].partition(b"\r\n\r\n")
        assert b"HTTP/1.1 200" in head
        assert b"content-type: text/event-stream" in head
        events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]
        assert ["shown"] == list(events[0]["regions"])
        # Between two rounds nothing changes.
        assert {} in [event["regions"] for event in events[1:]]
        assert {""} == {event["outage"] for event in events}


def test_who_comes_back_gets_only_what_has_changed(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "PERIOD_S", 30.0)
    with served(shared_dsn) as at, streams(at.port) as made:
        made.open(1)
        eventually(lambda: b"\nid: " in made.received[0] and b"data: " in made.received[0])
        (version,) = {line[4:] for line in made.received[0].splitlines() if line.startswith(b"id: ")}
        made.open(1, headers=f"Last-Event-ID: {version.decode()}\r\n")
        eventually(lambda: b"data: " in made.received[1])
        assert b'"regions": {}' in made.received[1]
        assert b'"regions": {}' not in made.received[0]


@pytest.mark.parametrize("viewers", [100, 300])
def test_hundreds_of_viewers_cost_one_connection_and_leave_nothing(
    shared_dsn: str, client: Client, viewers: int
) -> None:
    with served(shared_dsn) as at:
        before = descriptors_without_streams(at.port)
        with streams(at.port) as made:
            made.open(viewers)
            eventually(lambda: all(b"HTTP/1.1 " in each for each in made.received))
            streaming = [number for number, each in enumerate(made.received) if b"HTTP/1.1 200" in each]
            refused = [each for each in made.received if b"HTTP/1.1 503" in each]
            assert (min(viewers, MAX_STREAMS), max(0, viewers - MAX_STREAMS)) == (len(streaming), len(refused))
            assert all(b"retry-after: " in each for each in refused)
            eventually(lambda: all(made.received[number].count(b"data: ") >= 3 for number in streaming))
            assert 1 == sessions(client) == hub_threads()
        eventually(lambda: not at.hub._watched and not at.places._taken)
        eventually(lambda: descriptors() <= before)


def test_who_never_reads_is_let_go_and_delays_nobody(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "SEND_S", 1.0)
    monkeypatch.setattr(hub_module, "PERIOD_S", 0.1)
    with served(shared_dsn) as at, streams(at.port) as made:
        before = descriptors_without_streams(at.port)
        deaf = [asked(at.port, WIDE, buffer=4096) for _ in range(DEAF)]
        try:
            made.open(TOPICS)
            eventually(lambda: TOPICS + DEAF == at.places._taken.total())
            begun = [each.count(b"data: ") for each in made.received]
            eventually(lambda: TOPICS == at.places._taken.total(), 60)
            assert all(each.count(b"data: ") > was for each, was in zip(made.received, begun, strict=True))
            # Their connections are gone, with what was not sent.
            eventually(lambda: descriptors() <= before + 2 * TOPICS + DEAF)
            for each in deaf:
                eventually(lambda each=each: _is_reset(each))
        finally:
            for each in deaf:
                each.close()


def _is_reset(each: socket.socket) -> bool:
    try:
        each.sendall(b"x")
    except OSError:
        return True
    return False


def test_a_thousand_streams_opened_and_closed_leave_nothing(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.2)
    with served(shared_dsn) as at:
        # The server opens some of its own before it answers the first one.
        open_and_close(at, 1)
        before = descriptors()
        open_and_close(at, 1_000)
        eventually(lambda: descriptors() <= before)


def open_and_close(at: Served, count: int) -> None:
    """Open and close streams, some before they are answered, until nothing of them is left but descriptors."""
    for number in range(count):
        made = asked(at.port, number % TOPICS)
        if number % 3 != 1:
            assert made.recv(12) in {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        made.close()
    eventually(lambda: not at.hub._watched and not at.places._taken and not hub_threads())


def test_stopping_ends_all_streams_at_once(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing is cut off by the end of the server's grace.
    monkeypatch.setattr(server_module, "_GRACE_S", 20)
    with served(shared_dsn) as at, streams(at.port) as made:
        deaf = [asked(at.port, WIDE, buffer=4096) for _ in range(DEAF)]
        try:
            made.open(150)
            eventually(lambda: all(b"data: " in each for each in made.received))
            before = time.monotonic()
            at.server.stop()
            at.thread.join(20)
            assert time.monotonic() - before < 3
            eventually(lambda: all(each.endswith(b"0\r\n\r\n") for each in made.received))
        finally:
            for each in deaf:
                each.close()

"""A primary that hangs while its kernel still acknowledges packets: everybody goes to the next host."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from psycopg.conninfo import make_conninfo

from client import Client
from evtrack.domain.database_errors import TransientError
from evtrack.runtime.watch.watcher import Watcher
from evtrack.storage.connection.connect import Connection, bound_answers, connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.patience import Patience, PatientReader
from evtrack.storage.connection.query import value
from evtrack.storage.log.feed import feed
from evtrack.storage.log.reader import Tail
from evtrack.storage.queue import workers as worker_calls
from polling import eventually
from scene import Scene, scene
from workers import running_worker, submit

pytestmark = pytest.mark.integration

ANSWER_S = 2.0
_SLEEP = "SELECT pg_sleep(30)"


def sleep(conn: Connection, way: str) -> None:
    """Wait for the server in one of the ways in which evtrack does."""
    with translated():
        if way == "statement":
            conn.execute(_SLEEP)
        elif way == "pipeline":
            with conn.pipeline():
                conn.execute("SELECT 1")
                conn.execute(_SLEEP)
        else:
            with conn.transaction(), conn.cursor("test") as cursor:
                cursor.execute(_SLEEP).fetchall()


@pytest.mark.parametrize("way", ["statement", "pipeline", "cursor"])
def test_a_silent_server_counts_as_a_lost_connection(dsn: str, way: str) -> None:
    conn = connect(dsn, purpose="test", answer_s=0.5)
    begun = time.monotonic()
    with pytest.raises(TransientError, match=r"has not answered for 0\.5 s") as lost:
        sleep(conn, way)
    assert time.monotonic() - begun < 5
    assert conn.closed
    assert lost.value.connection_lost
    assert lost.value.is_passing


def test_a_connection_without_a_bound_waits_and_one_that_is_idle_stays(dsn: str) -> None:
    with connect(dsn, purpose="test") as conn:
        assert conn.execute("SELECT pg_sleep(0.6)").fetchone()
        bound_answers(conn, 0.3)
        assert conn.execute("SELECT 1").fetchone() == (1,)
        time.sleep(0.5)
        # Rows that keep coming are answers, however long they take in all.
        assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def pair() -> Iterator[Scene]:
    with scene(with_standby=True) as made:
        made.dsn = make_conninfo(made.dsn, connect_timeout=2)
        yield made


@pytest.mark.slow
def test_everybody_leaves_a_hung_primary(pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pair.standby
    monkeypatch.setattr(worker_calls, "ANSWER_S", ANSWER_S)
    seen: list[int] = []
    over = threading.Event()

    def follow() -> None:
        def waiting(_: Tail) -> None:
            if over.is_set():
                raise InterruptedError

        with suppress(InterruptedError):
            seen.extend(row.seq for _, row in feed(pair.dsn, follow=True, waiting=waiting, answer_s=ANSWER_S))

    watcher = Watcher(dsn=pair.dsn, write=lambda _: None, name="w")
    threads = [threading.Thread(target=each, daemon=True) for each in (watcher.run, follow)]
    reader = PatientReader(pair.dsn, purpose="test", patience=Patience(), answer_s=ANSWER_S)
    with running_worker(pair.dsn, slots=1, only=["scripted"], lease_s=5.0, name="one"), reader:
        for thread in threads:
            thread.start()
        with pair.admin() as conn:
            client = Client(conn, "scripted")
            job = submit(client, *['{"do": "sleep", "s": 0.01}'] * 3)
            eventually(lambda: client.one("SELECT phase = 'finished' FROM evtrack.job WHERE job_id = %s", job), 30)
        eventually(lambda: len(seen) >= 8)
        assert not reader.read(lambda each: value(each, "is_standby"))
        pair.cluster.freeze()
        try:
            pair.standby.promote()
            pair.primary = pair.standby
            with pair.admin() as conn:
                client = Client(conn, "scripted")
                job = submit(client, *['{"do": "sleep", "s": 0.01}'] * 3)
                client.one("SELECT evtrack.raise_alert('batch_failed', 'one', '', 'error', '{}')")
                assert not reader.read(lambda each: value(each, "is_standby"))
                eventually(lambda: client.one("SELECT phase = 'finished' FROM evtrack.job WHERE job_id = %s", job), 60)
                eventually(lambda: watcher.delivered["batch_failed"], 30)
                eventually(lambda: len(seen) == client.one("SELECT count(*) FROM evtrack.event"), 30)
        finally:
            pair.cluster.thaw()
            over.set()
            watcher.stop()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    watcher._wake.close()

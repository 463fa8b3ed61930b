"""The pool of readers: a few connections, each used by one reader at a time, and none is waited for too long."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from client import Client
from evtrack.domain.database_errors import NoFreeConnection, ReadOnly, StorageError, TransientError
from evtrack.runtime.live import reader_pool
from evtrack.runtime.live.reader_pool import ReaderPool
from evtrack.storage.connection import snapshot
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from polling import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def pool(shared_dsn: str) -> Iterator[ReaderPool]:
    made = ReaderPool(shared_dsn, purpose="test pool", size=2)
    yield made
    made.close()


def run(*statements: str) -> Any:
    def query(conn: Connection) -> Any:
        with translated():
            return [conn.execute(each.encode()).fetchone() for each in statements][-1]

    return query


def sessions(client: Client) -> int:
    return int(
        client.one(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'evtrack test pool' AND datname = current_database()"
        )
    )


def test_readers_share_its_connections(pool: ReaderPool, client: Client) -> None:
    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(lambda _: pool.read(run("SELECT pg_backend_pid()"))[0][0], range(50)))
    assert 1 <= len(set(found)) <= 2
    eventually(lambda: sessions(client) <= 2)


def test_a_reader_changes_nothing_whatever_its_role_may_do(pool: ReaderPool) -> None:
    with pytest.raises(ReadOnly):
        pool.read(run("CREATE TABLE evtrack.written ()"))
    assert (None,) == pool.read(run("SELECT to_regclass('evtrack.written')"))[0]


def test_whoever_waits_too_long_is_refused(pool: ReaderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_pool, "WAIT_S", 0.1)
    with ThreadPoolExecutor(2) as threads:
        begun = threading.Barrier(3)

        def hold(conn: Connection) -> None:
            begun.wait(10)
            run("SELECT pg_sleep(0.7)")(conn)

        holders = [threads.submit(pool.read, hold) for _ in range(2)]
        begun.wait(10)
        with pytest.raises(NoFreeConnection):
            pool.read(run("SELECT 1"))
        for each in holders:
            each.result(10)
    assert (1,) == pool.read(run("SELECT 1"))[0]


def test_a_lost_idle_connection_is_replaced(pool: ReaderPool, client: Client) -> None:
    pid = pool.read(run("SELECT pg_backend_pid()"))[0][0]
    client.rows("SELECT pg_terminate_backend(%s)", pid)
    assert pid != pool.read(run("SELECT pg_backend_pid()"))[0][0]


def test_an_idle_connection_is_closed_by_the_next_reader(
    pool: ReaderPool, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = pool.read(run("SELECT pg_backend_pid()"))[0][0]
    monkeypatch.setattr(reader_pool, "_IDLE_S", 0.0)
    assert pid != pool.read(run("SELECT pg_backend_pid()"))[0][0]
    eventually(lambda: sessions(client) <= 2)


def test_no_statement_is_compiled_even_where_sessions_are_told_to(shared_dsn: str) -> None:
    pool = ReaderPool(shared_dsn + " options='-c jit=on'", purpose="test pool")
    try:
        assert ("off",) == pool.read(run("SELECT current_setting('jit')"))[0]
    finally:
        pool.close()


def test_a_statement_that_takes_too_long_is_stopped_and_the_connection_stays(pool: ReaderPool) -> None:
    pid = pool.read(run("SELECT pg_backend_pid()"))[0][0]
    with pytest.raises(StorageError, match="took longer than 2 s, and was stopped"):
        pool.read(run("SELECT pg_sleep(9)"))
    assert pid == pool.read(run("SELECT pg_backend_pid()"))[0][0]


def test_no_statement_begins_after_the_time_of_a_snapshot(pool: ReaderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "STATEMENT_S", 0.2)
    begun = time.monotonic()
    with pytest.raises(StorageError, match=r"took longer than 0.2 s, and was stopped"):
        pool.read(run(*["SELECT pg_sleep(0.15)"] * 30))
    assert time.monotonic() - begun < 2


def test_closing_ends_whoever_reads(shared_dsn: str, client: Client) -> None:
    pool, begun = ReaderPool(shared_dsn, purpose="test pool"), threading.Event()

    def read(conn: Connection) -> None:
        begun.set()
        run("SELECT pg_sleep(1.9)")(conn)

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(pool.read, read)
        assert begun.wait(10)
        before = time.monotonic()
        pool.close()
        with pytest.raises(TransientError):
            reading.result(10)
        assert time.monotonic() - before < 1
    # Whoever comes later is answered, and leaves no connection.
    assert (1,) == pool.read(run("SELECT 1"))[0]
    assert not pool._idle
    del client

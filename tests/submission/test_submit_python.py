"""The Python API: any iterable, on a connection of its own or in the caller's transaction."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import BaseModel

import evtrack
from client import Client
from evtrack.domain.database_errors import CannotConnect
from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import Connection
from polling import eventually

pytestmark = pytest.mark.integration


def rows(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT batch_no, item_key, payload FROM evtrack.payload ORDER BY job_id, ordinal").fetchall()


@dataclass
class Point:
    """An item that is a dataclass."""

    id: str
    x: int


class Model(BaseModel):
    """An item that is a model."""

    id: int


def test_any_json_value_can_be_an_item(dsn: str, conn: Connection) -> None:
    items = [{"id": 1}, Point("p", 2), Model(id=3), "text", 4.5, [1, 2], b'{"id":\n "raw"}', None, {1, 2}, object()]
    done = evtrack.submit(items, handler="h", connection=dsn, batch_size=2)
    assert (8, 2, 4) == (done.items, done.invalid, done.batches)
    assert done.sealed
    expected = [
        (1, "1", '{"id":1}'),
        (1, "p", '{"id":"p","x":2}'),
        (2, "3", '{"id":3}'),
        (2, "items:4", '"text"'),
        (3, "items:5", "4.5"),
        (3, "items:6", "[1,2]"),
        (4, "raw", '{"id":"raw"}'),
        (4, "items:9", "[1,2]"),
    ]
    assert expected == rows(conn)


def test_a_submission_continues_when_batches_are_split_meanwhile(
    dsn: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(conn, "h")
    worker = client.worker()

    def work() -> None:
        if claims := client.claim(worker, 1):
            client.crash(worker, claims[:1])
            client.complete(worker, claims[1:])

    def items() -> Iterator[dict[str, int]]:
        for n in range(1, 401):
            yield {"id": n}
            if n > 100 and n % 50 == 0:
                eventually(lambda: client.rows("SELECT 1 FROM evtrack.batch"), 30)
                work()

    # Small chunks: some are numbered before, and some after a split is known.
    monkeypatch.setattr("evtrack.runtime.submit.submitter.CHUNK_BATCHES", 2)
    done = evtrack.submit(items(), handler="h", connection=dsn, batch_size=8)
    assert (400, 50, True) == (done.items, done.batches, done.sealed)
    eventually(lambda: work() or client.one("SELECT evtrack.finish_due(1)"), 30)
    assert any(batch.status == "split" for batch in client.batches(1).values())
    fates = client.rows("SELECT item_key, status::text FROM evtrack.item_status WHERE job_id = 1 ORDER BY ordinal")
    assert [str(n) for n in range(1, 401)] == [row["item_key"] for row in fates]
    assert {"completed", "crashed"} == {row["status"] for row in fates}
    client.check(1)


def test_a_key_is_named_or_computed(dsn: str, conn: Connection) -> None:
    items = [{"db": "P", "id": n} for n in (1, 2)]
    evtrack.submit(items, handler="h", connection=dsn, key="db,id")
    evtrack.submit(items, handler="h", connection=dsn, key=("id", "db"))
    evtrack.submit(items, handler="h", connection=dsn, key=lambda item: f"<{item['id']}>")
    assert ["P:1", "P:2", "1:P", "2:P", "<1>", "<2>"] == [key for _, key, _ in rows(conn)]


def test_an_iterable_is_not_kept_in_memory(dsn: str) -> None:
    import tracemalloc  # noqa: PLC0415

    def items() -> Iterator[dict[str, Any]]:
        for n in range(30_000):
            yield {"id": n, "t": "x" * 2_000}

    tracemalloc.start()
    done = evtrack.submit(items(), handler="h", connection=dsn)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 30_000 == done.items
    assert peak < 45_000_000


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_job_is_part_of_the_callers_transaction(dsn: str, conn: Connection, *, autocommit: bool) -> None:
    items = [{"id": n} for n in range(3)]
    with psycopg.connect(dsn, autocommit=autocommit, row_factory=dict_row) as mine:
        for ends_well in (False, True):
            try:
                with mine.transaction():
                    mine.execute("CREATE TABLE IF NOT EXISTS orders (id int)")
                    done = evtrack.submit(items, handler="h", connection=mine)
                    assert (0,) == conn.execute("SELECT count(*) FROM evtrack.job").fetchone()
                    if not ends_well:
                        mine.execute("SELECT 1 / 0")
            except psycopg.errors.DivisionByZero:
                pass
            else:
                assert (3, True) == (done.items, done.sealed)
    assert (1,) == conn.execute("SELECT count(*) FROM evtrack.job").fetchone()
    assert ("sealed", 3) == conn.execute("SELECT phase, item_count FROM evtrack.job").fetchone()
    assert (None,) != conn.execute("SELECT to_regclass('public.orders')::text").fetchone()


def test_an_open_transaction_is_left_open(dsn: str, conn: Connection) -> None:
    with psycopg.connect(dsn) as mine:
        evtrack.submit([1, 2], handler="h", connection=mine)
        evtrack.enqueue([3], handler="h", connection=mine)
        assert (0,) == conn.execute("SELECT count(*) FROM evtrack.job").fetchone()
        mine.rollback()
        evtrack.enqueue([4], handler="h", connection=mine)
        mine.commit()
        assert [(1, "items:1", "4")] == rows(conn)


def test_workers_are_woken_when_the_caller_commits(dsn: str, conn: Connection) -> None:
    conn.execute("LISTEN evtrack_work")
    with psycopg.connect(dsn) as mine:
        evtrack.enqueue([1], handler="h", connection=mine)
        assert [] == list(conn.notifies(timeout=0.2, stop_after=1))
        mine.commit()
        assert ["h"] == [told.payload for told in conn.notifies(timeout=5, stop_after=1)]
    evtrack.submit([1], handler="other", connection=dsn)
    assert ["other"] == [told.payload for told in conn.notifies(timeout=5, stop_after=1)]


def test_a_failed_iterable_leaves_a_job_that_can_be_resumed(dsn: str, conn: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr("evtrack.runtime.submit.submitter.CHUNK_BATCHES", 1)

    def items(*, breaks: bool) -> Iterator[dict[str, int]]:
        for n in range(200):
            if n == 150 and breaks:
                raise ConnectionError
            yield {"id": n}

    with pytest.raises(ConnectionError) as broken:
        evtrack.submit(items(breaks=True), handler="h", connection=dsn, batch_size=10)
    assert ["evtrack job 1 is still open; continue with submit(items, resume=1)."] == broken.value.__notes__
    assert conn.execute("SELECT item_count FROM evtrack.job WHERE item_count BETWEEN 50 AND 150").fetchone()
    done = evtrack.submit(items(breaks=False), resume=1, connection=dsn)
    assert (200, 20) == (done.items, done.batches)
    assert [str(n) for n in range(200)] == [key for _, key, _ in rows(conn)]


def test_a_connection_that_stays_open_holds_no_job(dsn: str, conn: Connection) -> None:
    with psycopg.connect(dsn, autocommit=True) as mine:
        evtrack.submit([1], handler="h", connection=mine)
        held = mine.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert (0,) == held
    assert ("sealed",) == conn.execute("SELECT phase FROM evtrack.job").fetchone()


def test_enqueue_accepts_all_or_nothing(dsn: str, conn: Connection) -> None:
    job = evtrack.enqueue([{"id": n} for n in range(5)], handler="h", connection=dsn, batch_size=2, name="few")
    assert [(1, "0"), (1, "1"), (2, "2"), (2, "3"), (3, "4")] == [(batch, key) for batch, key, _ in rows(conn)]
    assert ("sealed", "few") == conn.execute("SELECT phase, name FROM evtrack.job WHERE job_id = %s", [job]).fetchone()
    with pytest.raises(BadArgument, match="item 2: null is not an item"):
        evtrack.enqueue([1, None], handler="h", connection=dsn)
    with pytest.raises(BadArgument, match="at least one"):
        evtrack.enqueue([], handler="h", connection=dsn)
    assert (1,) == conn.execute("SELECT count(*) FROM evtrack.job").fetchone()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "give either a handler"),
        ({"handler": "h", "resume": 1}, "give either a handler"),
        ({"handler": "h", "batch_size": 0}, "batch_size"),
        ({"handler": "h", "mode": "merge"}, "mode"),
        ({"handler": "", "batch_size": 1}, "handler"),
        ({"handler": "h", "policy": {"max_tries": 1}}, "max_tries"),
        ({"handler": "h", "policy": {"timeout_s": float("nan")}}, "'timeout_s': nan is not a finite number"),
        ({"handler": "h", "policy": {"backoff_s": float("inf")}}, "'backoff_s': inf is not a finite number"),
        ({"handler": "h", "key": "a,,b"}, "field name is empty"),
        ({"handler": "h", "max_pending": 0}, "max_pending must be at least 1"),
    ],
)
def test_wrong_arguments_are_explained(dsn: str, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(BadArgument, match=says):
        evtrack.submit([1], connection=dsn, **wrong)


def test_waiting_in_the_callers_transaction_is_refused(dsn: str) -> None:
    with psycopg.connect(dsn) as mine, pytest.raises(BadArgument, match="outside a transaction"):
        evtrack.submit([1], handler="h", connection=mine, max_pending=5)


def test_without_a_server_the_error_says_so() -> None:
    with pytest.raises(CannotConnect):
        evtrack.submit([1], handler="h", connection="host=127.0.0.1 port=1 dbname=x")


def test_json_is_stored_as_it_was_read(dsn: str, conn: Connection) -> None:
    evtrack.submit([{"t": "ö\n\u2028\x00", "n": 10**30}], handler="h", connection=dsn)
    ((_, _, payload),) = rows(conn)
    assert {"t": "ö\n\u2028\x00", "n": 10**30} == json.loads(payload)

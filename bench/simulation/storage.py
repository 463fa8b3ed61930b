"""What a batch of one item leaves in tables and indexes, and what it writes to the WAL."""

from __future__ import annotations

from typing import Final

from support import database, harness

from evtrack.storage.queue.queue import Queue
from evtrack.storage.queue.records import Claim, CompletedBatches
from evtrack.storage.queue.workers import register_worker, stop_worker

_BATCHES: Final = harness.sized(20_000, smoke=300)
_GROUP: Final = 100
_PAYLOAD: Final = 300
"""Bytes of the item's payload."""

_FILL: Final = """SELECT evtrack.enqueue('noop', array_agg('K:' || i),
        array_agg(format('{"text": "%%s"}', repeat('x', %s - 12))), batch_size => 1)
    FROM generate_series(1, %s::int) i"""
_SIZES: Final = """SELECT coalesce(substring(t.relname FROM '^(event|batch|payload)'), 'other'),
    sum(pg_total_relation_size(t.relid))::bigint
    FROM pg_stat_user_tables t WHERE t.schemaname = 'evtrack' GROUP BY 1"""


def measure(conn: database.Connection) -> dict[str, float]:
    """Run batches in a database without any others.

    Returns:
        Bytes a batch: by table, and of WAL; and how many batches there were.
    """
    empty = dict(conn.execute(_SIZES).fetchall())
    written = database.wal_position(conn)
    job = int(database.value(conn, _FILL, [_PAYLOAD, _BATCHES]))
    enqueued = database.wal_position(conn)
    database.tidy(conn)
    begun = database.wal_position(conn)
    _work(conn, job)
    ended = database.wal_position(conn)
    conn.execute("VACUUM")
    sizes = {name: (size - empty.get(name, 0)) / _BATCHES for name, size in conn.execute(_SIZES)}
    wal = {"wal_enqueue": (enqueued - written) / _BATCHES, "wal_run": (ended - begun) / _BATCHES}
    return {**sizes, **wal, "payload_bytes": _PAYLOAD, "batches": _BATCHES, "group": _GROUP}


def _work(conn: database.Connection, job: int) -> None:
    worker = register_worker(conn, name="bench", host="bench", pid=1, slots=1, handlers=["noop"])
    queue = Queue(connection=conn, worker_id=worker, handlers=["noop"])
    done: CompletedBatches | None = None
    completed, after = 0, 0
    while completed < _BATCHES:
        _, claimed = queue.complete_and_claim(done, Claim([job], [after], _GROUP, 0))
        completed += len(done.job_ids) if done else 0
        assert claimed or completed == _BATCHES
        after = max((batch.batch_no for batch in claimed), default=after)
        jobs, numbers, attempts = ([batch.key[part] for batch in claimed] for part in range(3))
        done = CompletedBatches(jobs, numbers, attempts, [0.001] * len(claimed), None) if claimed else None
    stop_worker(conn, worker)

"""A job to which nearly everything happened, and the way behind the guards of its log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from client import Client


def eventful_job(client: Client) -> int:
    """Make a job to which nearly everything happens, and bring it to its end."""
    job, worker = client.job(6, items=4, max_errors=2, max_crashes=1, backoff_s=0), client.worker()
    client.rows("SELECT evtrack.suspend(%s), evtrack.resume(%s) FROM generate_series(1, 17)", job, job)
    one, two, three, four, five, six = client.claim(worker, job)
    client.complete(worker, [one])
    client.fail(worker, [two])
    client.crash(worker, [three], cause="signal", signal="SIGSEGV", ordinal=10, item_key="key:10")
    client.complete_partly(worker, four, "{[14,16)}")
    client.requeue(worker, [five])
    client.crash(worker, [six], cause="worker_lost")
    client.complete(worker, [five])
    for _ in range(8):
        client.conn.execute("UPDATE evtrack.batch SET run_at = now() WHERE job_id = %s AND run_at IS NOT NULL", [job])
        client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    client.rows("SELECT * FROM evtrack.retry_items(%s, '{key:10}')", job)
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    client.complete(worker, [six])
    return job


@contextmanager
def unguarded(conn: psycopg.Connection[Any], job: int) -> Iterator[str]:
    """Take the guards from the partition of a job, and put them back; a superuser's way."""
    (part,) = conn.execute("SELECT tableoid::regclass::text FROM evtrack.event WHERE job_id = %s", [job]).fetchone()  # type: ignore[misc]  # it is there
    conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
    yield part
    conn.execute(f"ALTER TABLE {part} ENABLE TRIGGER USER".encode())

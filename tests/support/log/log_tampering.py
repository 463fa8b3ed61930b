"""A job with nearly every kind of event, forged events, and a way around the guards of the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from client import Client


def eventful_job(client: Client) -> int:
    """Make a finished job with nearly every kind of event."""
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
    """Disable the guards of a job's partition, as only a superuser can, and enable them again."""
    (part,) = conn.execute("SELECT tableoid::regclass::text FROM evtrack.event WHERE job_id = %s", [job]).fetchone()  # type: ignore[misc]  # it is there
    conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
    yield part
    conn.execute(f"ALTER TABLE {part} ENABLE TRIGGER USER".encode())


Row = tuple[int, int, int, str, int, int | None, dict[str, Any]]
"""job_id, batch_no, version, type, attempt, worker_id, data."""


def enqueued(ordinals: str, items: int, **more: Any) -> dict[str, Any]:
    """Return the data of an enqueued event."""
    return {"items": items, "weight": items, "ordinals": ordinals, **more}


def append(client: Client, *rows: Row, **forged: Any) -> None:
    """Insert events with one INSERT; `forged` overrides columns that have correct defaults."""
    days = {
        job: client.one("SELECT (SELECT job_day FROM evtrack.job WHERE job_id = %s)", job)
        for job in {row[0] for row in rows}
    }
    columns = ["job_day", "job_id", "batch_no", "version", "type", "attempt", "worker_id", "data"]
    written = [
        {"job_day": days[row[0]], **dict(zip(columns[1:], (*row[:-1], Jsonb(row[-1])), strict=True)), **forged}
        for row in rows
    ]
    names = list(written[0])
    holes = ", ".join(
        "(" + ", ".join("%s::evtrack.event_type" if name == "type" else "%s" for name in names) + ")" for _ in written
    )
    client.conn.execute(
        f"INSERT INTO evtrack.event ({', '.join(names)}) VALUES {holes}".encode(),
        [row[name] for row in written for name in names],
    )


def refused_events(client: Client, match: str, *rows: Row, **forged: Any) -> None:
    """Expect the fold to refuse these events and to change nothing."""
    jobs = {row[0] for row in rows}
    before = [client.events(job) for job in jobs]
    with pytest.raises(psycopg.Error, match=match) as caught:
        append(client, *rows, **forged)
    assert "EV001" == caught.value.sqlstate
    assert before == [client.events(job) for job in jobs]
    client.check(*jobs)

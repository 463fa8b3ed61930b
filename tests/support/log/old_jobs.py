"""Jobs of past days, which only the schema's owner can append, and cleanups that drop them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from client import Client
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay

_ENQUEUE = """
INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
SELECT %(day)s, %(job)s, 0, 1, 'created'::evtrack.event_type,
    jsonb_build_object('handler', %(handler)s::text, 'name', 'aged', 'policy', %(policy)s::jsonb,
        'digest_form', %(form)s::int)
UNION ALL
SELECT %(day)s, %(job)s, 0, 2, 'extended',
    jsonb_build_object('batches', %(batches)s::int, 'items', %(batches)s::int * %(items)s::int, 'first_batch_no', 1)
UNION ALL
SELECT %(day)s, %(job)s, 0, 3, 'sealed', '{}'
UNION ALL
SELECT %(day)s, %(job)s, b, 1, 'enqueued', jsonb_build_object('items', %(items)s::int, 'weight', %(items)s::int,
    'ordinals', '{[' || (b - 1) * %(items)s::int + 1 || ',' || b * %(items)s::int + 1 || ')}')
FROM generate_series(1, %(batches)s::int) b
"""
_PAYLOADS = """
INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)
SELECT %(day)s, %(job)s, i, (i - 1) / %(items)s::int + 1, 'key:' || i, '{"n": ' || i || '}'
FROM generate_series(1, %(batches)s::int * %(items)s::int) i
"""


def days_ago(number: int) -> date:
    """Return the day so many days ago, in UTC."""
    return datetime.now(UTC).date() - timedelta(number)


def old_job(
    client: Client, day: date, batches: int = 1, *, items: int = 1, digest_form: int | None = None, **policy: Any
) -> int:
    """Submit and seal a job of an old day, and return its id; one job after another has the other form of digests."""
    job = client.one("SELECT nextval('evtrack.job_id_seq')")
    values = {"day": day, "job": job, "handler": client.handler, "batches": batches, "items": items}
    values["form"] = digest_form or 1 + job % 2
    with client.conn.transaction():
        client.conn.execute("SELECT evtrack.make_partitions(%s, 1)", [day])
        client.conn.execute(_PAYLOADS, values)
        client.conn.execute(_ENQUEUE, {**values, "policy": Jsonb(policy)})
    return job


def ended_job(client: Client, day: date, batches: int = 2, *, items: int = 1) -> int:
    """Return a finished job of an old day."""
    job, worker = old_job(client, day, batches, items=items), client.worker()
    claims = client.claim(worker, job, fresh=batches)
    client.complete(worker, claims, results=['{"ok": true}' + "\n{}" * (items - 1)] * batches)
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    return job


def partition_days(client: Client) -> set[date]:
    """Return the days that have partitions in all four tables, and make sure that none has them in some."""
    rows = client.rows(
        "SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day, count(*) AS tables FROM pg_class"
        " WHERE relnamespace = 'evtrack'::regnamespace AND relkind = 'r'"
        " AND relname ~ '^(event|batch|payload|result)_[0-9]{8}$' GROUP BY 1"
    )
    assert {4} >= {row["tables"] for row in rows}
    return {row["day"] for row in rows}


def run_cleanup(client: Client, archive: Path | None = None, **options: object) -> list[DroppedDay | KeptDay]:
    """Run a cleanup of all that has ended."""
    wanted = {"older_than_s": 0.0, "patience_s": 0.0, **options}
    return list(Cleanup(conn=client.conn, archive=archive, **wanted).run())  # type: ignore[arg-type]


def kept_days(done: list[DroppedDay | KeptDay]) -> list[tuple[object, str, int | None]]:
    """Return day, reason and job of the days that stayed; all did."""
    assert all(isinstance(day, KeptDay) for day in done), done
    return [(day.day, day.why, day.job_id) for day in done if isinstance(day, KeptDay)]

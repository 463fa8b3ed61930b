"""Jobs that finished days ago, for benchmarks that need old data."""

from datetime import UTC, datetime, timedelta

from evtrack.storage.connection.connect import Connection

_OLD_JOBS = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
SELECT %(day)s, j, 0, v, t::evtrack.event_type, d::jsonb
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, (VALUES
    (1, 'created', '{"handler": "old"}'),
    (2, 'extended', format('{"batches": %%s, "items": %%s}', %(batches)s::int, %(batches)s::int)),
    (3, 'sealed', '{}')) AS e (v, t, d)"""
_ENQUEUED = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
SELECT %(day)s, j, b, 1, 'enqueued',
    jsonb_build_object('items', 1, 'weight', 1, 'ordinals', '{[' || b || ',' || b + 1 || ')}')
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b"""
_STARTED = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id)
SELECT %(day)s, j, b, 2, 'started', 1, 0
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b"""
_COMPLETED = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
SELECT %(day)s, j, b, 3, 'completed', 1, 0, '{"run_s": 0.01}'
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b"""
_FINISHED = """SELECT count(evtrack.finish_due(j))
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j"""
_EVENTS = (_OLD_JOBS, _ENQUEUED, _STARTED, _COMPLETED, _FINISHED)


def create_finished_jobs(conn: Connection, *, jobs: int, batches: int, days_ago: int) -> None:
    """Create the finished jobs of one day by writing their events: enqueued, started, completed.

    Args:
        conn: A connection to the database.
        jobs: The number of jobs.
        batches: The number of batches per job, of one item each.
        days_ago: Their age.
    """
    day = datetime.now(UTC).date() - timedelta(days_ago)
    conn.execute("SELECT evtrack.make_partitions(%s, 1)", [day])
    conn.execute(
        "INSERT INTO evtrack.worker (worker_id, name, host, pid, slots, handlers, version, stopped_at)"
        " VALUES (0, 'old', 'old', 1, 1, '{old}', '0', now()) ON CONFLICT DO NOTHING"
    )
    first = conn.execute("SELECT coalesce(max(job_id), 0) + 1 FROM evtrack.job").fetchone()
    assert first
    conn.execute("SELECT setval('evtrack.job_id_seq', %s)", [first[0] + jobs])
    values = {"day": day, "first": first[0], "jobs": jobs, "batches": batches}
    with conn.transaction():
        conn.execute(
            "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)"
            " SELECT %(day)s, j, b, b, 'K:' || b, '{\"i\": 1}' FROM generate_series(%(first)s::bigint,"
            " %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b",
            values,
        )
    for event in _EVENTS:
        conn.execute(event, values)

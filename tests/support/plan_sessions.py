"""Sessions whose plans are examined, in tables that grow behind the planner's back."""

from typing import NamedTuple

from client import Client
from evtrack.storage.connection.connect import Connection
from plans import Plan, rows_by_table

# What the tables grow to once the plans are made. Who reads one of them whole touches more rows than any test allows.
JOBS = 5_000
BATCHES = 3_000

GROW = (
    """
    INSERT INTO evtrack.job (job_id, job_day, handler, phase, version, created_at, finished_at)
    SELECT nextval('evtrack.job_id_seq'), (now() AT TIME ZONE 'UTC')::date, 'grown', 'finished', 5,
        now() - interval '2 days', now() - interval '2 days'
    FROM generate_series(1, %(jobs)s)
    """,
    """
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
    SELECT j.job_day, j.job_id, 0, j.version + 1, 'extended'::evtrack.event_type, 0, NULL::bigint,
        jsonb_build_object('batches', %(batches)s, 'items', %(batches)s)
    FROM evtrack.job j WHERE j.job_id = %(job)s
    UNION ALL
    SELECT j.job_day, j.job_id, n, k.version, k.type::evtrack.event_type, k.attempt, k.worker, CASE k.type
        WHEN 'enqueued' THEN jsonb_build_object(
            'items', 1, 'weight', 1, 'ordinals', format('{[%%s,%%s)}', n, n + 1))
        ELSE '{}' END
    FROM evtrack.job j
    CROSS JOIN generate_series(1, %(batches)s) n
    CROSS JOIN (VALUES (1, 'enqueued', 0, NULL::bigint), (2, 'started', 1, %(worker)s), (3, 'completed', 1, %(worker)s))
        AS k (version, type, attempt, worker)
    WHERE j.job_id = %(job)s
    """,
    """
    INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key)
    SELECT j.job_day, j.job_id, n, n, 'grown:' || n
    FROM evtrack.job j CROSS JOIN generate_series(1, %(batches)s) n WHERE j.job_id = %(job)s
    """,
)


CALLS = 7
"""More than a prepared statement is planned for its values before a plan for all values is thought of."""


class Session(NamedTuple):
    """A session whose plans are examined, and what it works on."""

    client: Client
    worker: int
    job: int
    grown: int
    plans: list[Plan]


def without_autovacuum(own: Connection) -> None:
    """Keep statistics as they are: new ones would have plans made again."""
    tables = own.execute(
        "SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off)', oid::regclass) FROM pg_class"
        " WHERE relnamespace = 'evtrack'::regnamespace AND relkind = 'r'"
    ).fetchall()
    for (statement,) in tables:
        own.execute(statement)


def with_default_costs(own: Connection) -> None:
    """Have pages cost what they cost without settings; on the embedded server they are cheaper."""
    own.execute("SET random_page_cost = 4")


def grow(own: Connection, job: int, worker: int, batches: int = BATCHES) -> None:
    """Add finished jobs, and to an open job finished batches."""
    for statement in GROW:
        own.execute(statement.encode(), {"jobs": JOBS, "batches": batches, "job": job, "worker": worker})


def reads(session: Session) -> dict[str, int]:
    """Return the rows that were read since the last time, by table, where they are more than a call may read."""
    rows = {table: number for table, number in rows_by_table(session.plans).items() if number >= 500}
    session.plans.clear()
    return rows

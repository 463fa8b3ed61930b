"""A database as large as the dashboard's costs are stated for: a large job that is half done, and many small ones."""

from psycopg.types.json import Jsonb
from support import database, harness

from evtrack.storage.connection.connect import Connection

HANDLERS = [f"handler-{number}" for number in range(4)]

CHUNK = harness.sized(500, smoke=100)
"""Batches per claim, and jobs per transaction."""

_CASTS = {"fail": "%s::float8[], %s::jsonb[]", "crash": "%s::jsonb[]", "complete": "%s::float8[]"}


def load(conn: Connection, batches: int, jobs: int) -> None:
    """Submit a large job and many small ones, and finish half of the large one: 1 in 100 fails, 1 in 200 crashes.

    Args:
        conn: A connection to an empty database.
        batches: The batches of job 1, of one item each.
        jobs: The jobs of one item.
    """
    conn.execute(
        "SELECT evtrack.enqueue('handler-0', array_agg('key:' || i), array_agg('{}'::text), batch_size => 1,"
        ' policy => \'{"max_errors": 1, "max_crashes": 1}\') FROM generate_series(1, %s) AS i',
        [batches],
    )
    for first in range(0, jobs, CHUNK):
        conn.execute(
            "SELECT count(evtrack.enqueue('handler-' || i %% 4, ARRAY['doc:' || i], ARRAY['{}']))"
            " FROM generate_series(%s::int, %s::int) AS i",
            [first + 1, min(jobs, first + CHUNK)],
        )
    worker = register(conn, HANDLERS)
    for _ in range(batches // CHUNK // 2):
        finish_some(conn, worker)
    conn.execute("SELECT evtrack.stop_worker(%s)", [worker])
    database.tidy(conn)


def register(conn: Connection, handlers: list[str]) -> int:
    """Register a worker, and return its number."""
    row = conn.execute("SELECT evtrack.register_worker('bench', 'host', 1, 2, %s, '0')", [handlers]).fetchone()
    assert row
    return int(row[0])


def finish_some(conn: Connection, worker: int) -> None:
    """Claim a chunk of the large job, and report its outcomes."""
    rows = conn.execute(
        "SELECT job_id, batch_no, attempt FROM evtrack.claim(%s, '{1}', '{0}', %s, %s)", [worker, CHUNK, HANDLERS]
    ).fetchall()
    assert rows
    bad = len(rows) // 100
    parts = {"fail": rows[:bad], "crash": rows[bad : bad + bad // 2], "complete": rows[bad + bad // 2 :]}
    for function, part in parts.items():
        run_s = [0.001 * (row[1] % 997) for row in part]
        more = {
            "fail": [run_s, [Jsonb({"type": "ValueError", "message": f"no {row[1] % 7}"}) for row in part]],
            "crash": [[Jsonb({"cause": "signal", "signal": "SIGSEGV"})] * len(part)],
            "complete": [run_s],
        }[function]
        query = f"SELECT count(*) FROM evtrack.{function}(%s, %s::bigint[], %s::int[], %s::int[], {_CASTS[function]})"  # noqa: S608  words of this file
        conn.execute(query.encode(), [worker, *([row[place] for row in part] for place in range(3)), *more])

"""What the server can do at best: rows taken from a bare queue table by pgbench, 100 a claim."""

from support import database, harness
from support.row import Row, Run, report

FILL = "INSERT INTO q SELECT i, 0, '{}' FROM generate_series(1, %s::int) i"
CLAIM = """DELETE FROM q WHERE id = ANY(ARRAY(
    SELECT id FROM q ORDER BY priority, id LIMIT 100 FOR UPDATE SKIP LOCKED)) RETURNING id;"""

ROW = Row(
    runs=(
        Run("1", {"clients": 1, "rows": 1_000_000}, {"rows": 10_000}, seconds=9, by="once"),
        Run("2", {"clients": 2, "rows": 1_000_000}, None, seconds=9, by="once"),
    ),
    lines=(),
)


def measure(server: str, *, clients: int, rows: int) -> dict[str, float]:
    """Take rows for three seconds."""
    dsn = database.create(server, "bench_raw", migrate=False)
    with database.connect(dsn) as conn:
        conn.execute("CREATE TABLE q (id bigint PRIMARY KEY, priority int NOT NULL, payload text)")
        conn.execute(FILL, [rows])
        conn.execute("CREATE INDEX ON q (priority, id)")
        database.tidy(conn)
        rate = 100 * harness.pgbench(dsn, CLAIM, clients=clients, seconds=3)
        left = database.value(conn, "SELECT count(*) FROM q")
    # With an empty table it would have measured how fast nothing is found.
    assert 0 < left < rows, left
    return {"jobs_s": rate}


if __name__ == "__main__":
    report(measure)

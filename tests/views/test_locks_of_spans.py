"""Functions of a span of time touch only the days of jobs that were open within it, however many days there are."""

import pytest

from client import Client
from evtrack.storage.connection.connect import connect
from old_jobs import days_ago, ended_job

pytestmark = pytest.mark.integration

DAYS = 60


@pytest.fixture(autouse=True)
def _many_days(own_client: Client) -> None:
    """Make many days, with a crash today and a job long ago."""
    own_client.conn.execute("SELECT evtrack.make_partitions(%s, %s)", [days_ago(DAYS), DAYS])
    old = ended_job(own_client, days_ago(DAYS - 1))
    own_client.conn.execute(
        "UPDATE evtrack.job SET finished_at = finished_at - interval '50 days' WHERE job_id = %s", [old]
    )
    worker = own_client.worker()
    own_client.crash(worker, own_client.claim(worker, own_client.job(3)))


@pytest.mark.parametrize(
    "call", ["attempts('1 day')", "latest_crashes('1 day')", "crash_rates('1 day')", "crash_map(1)"]
)
def test_a_span_touches_only_the_days_of_its_jobs(dsn: str, call: str) -> None:
    with connect(dsn, purpose="test") as conn:
        # As a session that prefers plans for all values, which comes of itself after a few calls.
        conn.execute("SET plan_cache_mode = force_generic_plan")
        with conn.transaction():
            assert conn.execute(f"SELECT * FROM evtrack.{call}".encode()).fetchall()
            found = conn.execute(
                "SELECT DISTINCT right(c.relname, 8) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
                " WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.relname ~ '^(event|batch)_[0-9]{8}$'"
            ).fetchall()
    assert [(f"{days_ago(0):%Y%m%d}",)] == found

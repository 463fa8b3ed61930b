"""Progress rows of jobs that run long are merged: no sum changes, and nobody waits."""

import pytest

from client import Client
from old_jobs import days_ago, old_job

pytestmark = pytest.mark.integration

SESSIONS = 5
BUCKETS = 3_000


@pytest.fixture
def client(own_client: Client) -> Client:
    """A session with this test's own database."""
    return own_client


def long_job(client: Client) -> int:
    """Return a job that five sessions have completed an item of every ten seconds, for more than eight hours."""
    job = client.job(10)
    client.conn.execute(
        "INSERT INTO evtrack.progress (job_id, shard, bucket, running_items, completed_items)"
        " SELECT %s, s, evtrack.bucket() - k, -1, 1 FROM generate_series(1, %s) s, generate_series(0, %s - 1) k"
        # This session, too, may be one of the five.
        " ON CONFLICT DO NOTHING",
        [job, SESSIONS, BUCKETS],
    )
    return job


def rows(client: Client, job: int) -> int:
    """Count the progress rows of a job."""
    return int(client.one("SELECT count(*) FROM evtrack.progress WHERE job_id = %s", job))


def due(client: Client) -> None:
    """Let the next compaction be due."""
    client.conn.execute("UPDATE evtrack.duty SET done_at = now() - interval '2 minutes' WHERE duty = 'compaction'")


def test_the_rows_of_an_open_job_are_bounded_and_no_sum_changes(client: Client) -> None:
    job, small = long_job(client), client.job(3)
    pace = "SELECT recent_items, recent_from FROM evtrack.counted_job WHERE job_id = %s"
    sums, recent = client.sums(job), client.rows(pace, job)
    curve = "SELECT at, done FROM evtrack.job_course(%s)"
    before = {row["at"]: row["done"] for row in client.rows(curve, job)}
    assert client.one("SELECT evtrack.compact_open_jobs()") > 14_000
    assert sums == client.sums(job)
    assert recent == client.rows(pace, job)
    # At most 240 spans, and ten seconds each, of all sessions, for the last 90 s.
    assert rows(client, job) < 240 + 11 * (SESSIONS + 1)
    assert 1 == rows(client, small)
    after = {row["at"]: row["done"] for row in client.rows(curve, job)}
    assert after.items() <= before.items()
    assert max(before) == max(after)
    due(client)
    assert 100 > client.one("SELECT evtrack.compact_progress(%s, 240, 9)", job)


def test_it_runs_once_a_minute_and_one_at_a_time(client: Client, own_other: Client) -> None:
    job = long_job(client)
    with own_other.conn.transaction():
        own_other.conn.execute("SELECT FROM evtrack.duty WHERE duty = 'compaction' FOR UPDATE")
        assert 0 == client.one("SELECT evtrack.compact_open_jobs()")
    assert client.one("SELECT evtrack.compact_open_jobs()") > 0
    client.conn.execute("DELETE FROM evtrack.progress WHERE job_id = %s", [job])
    job = long_job(client)
    assert 0 == client.one("SELECT evtrack.compact_open_jobs()")
    # A time that lies ahead is from before the clock was set back.
    client.conn.execute("UPDATE evtrack.duty SET done_at = now() + interval '1 hour' WHERE duty = 'compaction'")
    assert client.one("SELECT evtrack.compact_open_jobs()") > 0


def test_rows_of_a_transaction_that_is_open_are_left_for_the_next_time(client: Client, own_other: Client) -> None:
    job = long_job(client)
    sums = client.sums(job)
    client.conn.execute("SET lock_timeout = '1s'")
    with own_other.conn.transaction():
        own_other.conn.execute(
            "UPDATE evtrack.progress SET completed_items = completed_items + 7"
            " WHERE job_id = %s AND shard = 3 AND bucket = evtrack.bucket() - 2000",
            [job],
        )
        own_other.conn.execute(
            "INSERT INTO evtrack.progress (job_id, shard, bucket, completed_items)"
            " VALUES (%s, 77, evtrack.bucket() - 2000, 5)",
            [job],
        )
        assert client.one("SELECT evtrack.compact_open_jobs()") > 0
        assert sums == client.sums(job)
    completed = sums["completed"][1] + 12
    assert completed == client.sums(job)["completed"][1]
    due(client)
    assert 2 <= client.one("SELECT evtrack.compact_progress(%s, 240, 9)", job)
    assert completed == client.sums(job)["completed"][1]


def test_a_job_that_ends_has_120_spans_at_most(client: Client) -> None:
    job = long_job(client)
    client.one("SELECT evtrack.compact_open_jobs()")
    sums = client.sums(job)
    client.one("SELECT evtrack.compact_progress(%s)", job)
    assert sums == client.sums(job)
    assert 60 <= rows(client, job) <= 120
    assert client.one("SELECT max(bucket) <= evtrack.bucket() FROM evtrack.progress WHERE job_id = %s", job)
    # Wider spans take in those that were merged before.
    worker = client.worker()
    client.complete(worker, client.claim(worker, job))
    client.one("SELECT evtrack.compact_progress(%s)", job)
    assert rows(client, job) <= 120


def test_a_day_long_past_can_be_compacted(client: Client) -> None:
    job = old_job(client, days_ago(9), 3)
    assert 1 == client.one("SELECT evtrack.compact_progress(%s)", job)
    assert 0 == client.one("SELECT evtrack.compact_progress(%s)", client.job(1, items=1) + 99)
    client.check(job)

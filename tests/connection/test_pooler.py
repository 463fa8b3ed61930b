"""With a real pgbouncer in transaction mode evtrack neither relies on session state nor leaves any behind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from client import Client
from command_line import evtrack
from evtrack.storage.connection.connect import behind_pooler, connect
from evtrack.storage.queue.workers import bound_waits
from evtrack.storage.submission.open_job import create_job, lock_submission, reclaim_job, unlock_submission
from pgbouncer import pooled
from polling import eventually
from workers import running_worker, worker_process

pytestmark = [pytest.mark.integration, pytest.mark.crash]


@pytest.fixture
def through(dsn: str) -> Iterator[str]:
    """This test's database, seen through a pooler."""
    with pooled(dsn) as dsn_of_pooler:
        yield dsn_of_pooler


def advisory_locks(queue: Client) -> list[dict[str, Any]]:
    """Return the locks that belong to sessions or to open transactions."""
    return queue.rows(
        "SELECT l.pid, l.objid FROM pg_locks l WHERE l.locktype = 'advisory'"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )


def enqueue(queue: Client, *items: str) -> int:
    keys = [f"k{number}" for number in range(1, len(items) + 1)]
    return int(queue.one("SELECT evtrack.enqueue('scripted', %s, %s, batch_size => 1)", keys, list(items)))


def test_a_pooler_is_detected_and_its_sessions_are_left_unchanged(dsn: str, through: str, queue: Client) -> None:
    with connect(dsn, purpose="direct") as direct:
        assert not behind_pooler(direct)
    assert not behind_pooler(direct), "what was seen once is not asked again"
    with psycopg.connect(dsn) as foreign:
        assert not behind_pooler(foreign)
    with psycopg.connect(through) as foreign:
        assert behind_pooler(foreign)
    asked = "SELECT current_setting('jit') || current_setting('lock_timeout') || current_setting('statement_timeout')"
    fresh = queue.one(asked.replace("current_setting('jit')", "(SELECT boot_val FROM pg_settings WHERE name = 'jit')"))
    with connect(through, purpose="pooled") as one:
        assert behind_pooler(one)
        bound_waits(one)
        # Prepared in one session, a statement would be unknown, or another, in the next.
        for _ in range(5):
            assert (fresh,) == one.execute(asked).fetchone()
        assert [] == one.execute("SELECT * FROM pg_prepared_statements").fetchall()
        assert ("UTC",) == one.execute("SELECT current_setting('TimeZone')").fetchone()


def test_every_command_of_a_job_works_through_a_pooler(through: str, queue: Client, tmp_path: Path) -> None:
    source = tmp_path / "items.jsonl"
    source.write_text("".join(f'{{"id": {n}}}\n' for n in range(1, 61)), encoding="utf-8")
    words = ["--handler", "h", "--batch-size", "10", "--exec", "h=cat", "--slots", "2", "--dsn", through]
    ran = evtrack("run", str(source), *words)
    assert (0, "finished") == (ran.returncode, queue.phase(1)), ran.stderr
    assert 1 == ran.stderr.count("session_lock_unavailable"), "the log says once what serves instead"
    assert "only the heartbeat shows that this worker lives" in ran.stderr
    told = evtrack("events", "1", "--follow", "--json", "--dsn", through)
    assert 0 == told.returncode, told.stderr
    types = [json.loads(line)["type"] for line in told.stdout.splitlines()]
    assert (6, "finished") == (types.count("completed"), types[-1])
    assert 60 == evtrack("results", "1", "--dsn", through).stdout.count("\n")
    assert [] == advisory_locks(queue)


def test_behind_a_pooler_a_worker_is_lost_by_its_heartbeat(through: str, queue: Client) -> None:
    job = enqueue(queue, *['{"do": "sleep", "s": 2}'] * 2)
    # It is not for a session that it counts as lost: there is none, and the grace is 0.
    limits = ["--lose-grace", "0", "--lease", "3"]
    with worker_process(through, "--slots", "1", "--name", "first", *limits) as first:
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'") == 1, 40)
        with capture_logs() as logs, running_worker(through, name="second", lose_grace_s=0, lease_s=3):
            eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 2, 20)
            queue.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'completed'") >= 1, 20)
            assert [] == queue.rows("SELECT name FROM evtrack.worker WHERE lost_at IS NOT NULL")
            assert [{"session_lock": False}] == queue.rows("SELECT DISTINCT session_lock FROM evtrack.worker")
            enqueue(queue, *['{"do": "sleep", "s": 30}'] * 2)
            held = "SELECT count(*) FROM evtrack.batch b JOIN evtrack.worker w USING (worker_id)"
            held += " WHERE b.status = 'running' AND w.name = 'first'"
            eventually(lambda: queue.phase(job) == "finished" and queue.one(held) == 1, 20)
            first.kill()
            eventually(lambda: queue.rows("SELECT 1 FROM evtrack.worker WHERE lost_at IS NOT NULL"), 20)
            eventually(lambda: [entry["why"] for entry in logs if entry["event"] == "worker_lost"])
    assert ["no heartbeat"] == [entry["why"] for entry in logs if entry["event"] == "worker_lost"]
    assert [{"cause": "worker_lost"}] == queue.rows("SELECT cause FROM evtrack.crash")
    assert [] == advisory_locks(queue)


def test_behind_a_pooler_any_submission_can_be_reclaimed(through: str, queue: Client) -> None:
    with connect(through, purpose="dies") as one:
        made = create_job(one, handler="h", name="x", priority=0, policy={}, source={}, bytes_total=None)
        assert not lock_submission(one, made.job_id)
    with connect(through, purpose="first") as first, connect(through, purpose="second") as second:
        taken = [reclaim_job(conn, made.job_id).submitter for conn in (first, second)]
        unlock_submission(first, made.job_id)
    assert 3 == len({made.submitter, *taken}), "whoever came before is refused by its token"
    assert [] == advisory_locks(queue), "a lock would stay with the pooler's session, and refuse all others"

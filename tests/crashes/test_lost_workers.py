"""Workers that are killed, stopped or cut off: nothing is orphaned, lost or counted twice."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import servers
from client import Client
from evtrack.storage.connection.connect import connect
from polling import eventually
from workers import alive, descendants, items_begun, submit, worker_process

pytestmark = [pytest.mark.integration, pytest.mark.crash]


def running(queue: Client, count: int) -> bool:
    """Return whether at least this many batches are running."""
    return bool(queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'") >= count)


def statuses(queue: Client) -> dict[str, int]:
    rows = queue.rows("SELECT status::text, count(*) FROM evtrack.batch GROUP BY 1")
    return {row["status"]: row["count"] for row in rows}


def finished(queue: Client, job: int) -> bool:
    return queue.phase(job) == "finished"


@contextmanager
def worker(dsn: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker with short pauses; its log is discarded, so no pipe fills."""
    with worker_process(dsn, "--lose-grace", "1", "--lease", "30", *options) as process:
        yield process


def test_after_sigkill_no_process_is_left_and_another_worker_does_the_rest(
    queue: Client, dsn: str, tmp_path: Path
) -> None:
    program = "program=sh -c 'sleep 62.5 & sleep 62.5; cat'"
    job = submit(queue, *['{"do": "sleep once", "s": 60}'] * 7)
    other = submit(queue, "{}", handler="program")
    with worker(dsn, "--slots", "8", "--name", "first", "--exec", program) as first:
        eventually(lambda: running(queue, 8), 40)
        eventually(lambda: len(descendants(first.pid)) >= 8 + 3)
        below = descendants(first.pid)
        # As on another host: only its session shows that the first has died.
        elsewhere = ("--state-dir", str(tmp_path / "elsewhere"))
        with worker(dsn, "--slots", "4", "--name", "second", "--exec", "program=cat", *elsewhere) as second:
            eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 2, 40)
            first.kill()
            killed_at = time.monotonic()
            first.wait(5)
            eventually(lambda: not any(alive(pid) for pid in below), 2)
            lost = eventually(lambda: queue.rows("SELECT name FROM evtrack.worker WHERE lost_at IS NOT NULL"))
            took_s = time.monotonic() - killed_at
            eventually(lambda: finished(queue, job) and finished(queue, other), 30)
            second.send_signal(signal.SIGTERM)
            _, log = second.communicate(timeout=20)
    print(f"declared lost {took_s:.2f} s after its death")  # noqa: T201
    assert [{"name": "first"}] == lost
    assert took_s < 1 + 2, "the grace and two seconds more"
    # By its lock that is gone, or by what it had left on this host: whichever is seen first.
    assert "worker_lost" in log or "predecessor_reported" in log
    assert {"completed": 8} == statuses(queue)
    crashes = queue.rows(
        "SELECT data ->> 'cause' AS cause, count(*) FROM evtrack.event WHERE type = 'crashed' GROUP BY 1"
    )
    assert [{"cause": "worker_lost", "count": 8}] == crashes
    assert [{"losses": 1, "crashes": 0}] == queue.rows("SELECT DISTINCT losses, crashes FROM evtrack.batch")
    queue.check(job, other)


def test_a_worker_stopped_past_its_lease_is_fenced_and_its_late_results_are_recorded(
    queue: Client, dsn: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[json.dumps({"do": "sleep", "s": 3, "return": 1, "trace": str(trace)})] * 2)
    lease = ("--lease", "2", "--lose-grace", "60")
    with worker(dsn, "--slots", "2", "--name", "first", *lease) as first:
        eventually(lambda: items_begun(trace, 2), 40)
        os.kill(first.pid, signal.SIGSTOP)
        try:
            with worker(dsn, "--slots", "2", "--name", "second", *lease) as second:
                eventually(lambda: finished(queue, job), 40)
                os.kill(first.pid, signal.SIGCONT)
                late = "SELECT batch_no FROM evtrack.event WHERE type = 'late_result' ORDER BY 1"
                assert [{"batch_no": 1}, {"batch_no": 2}] == eventually(
                    lambda: rows if len(rows := queue.rows(late)) == 2 else None, 30
                )
                eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker WHERE name = 'first'") == 2, 30)
                for one in (first, second):
                    one.send_signal(signal.SIGTERM)
                _, log = first.communicate(timeout=20)
                second.communicate(timeout=20)
        finally:
            os.kill(first.pid, signal.SIGCONT) if first.poll() is None else None
    assert "worker_declared_lost" in log
    assert "outcomes_rejected" in log
    assert {"completed": 2} == statuses(queue)
    completed = queue.rows(
        "SELECT batch_no, count(*) FROM evtrack.event WHERE type = 'completed' GROUP BY 1 ORDER BY 1"
    )
    assert [{"batch_no": 1, "count": 1}, {"batch_no": 2, "count": 1}] == completed
    assert 2 == queue.one("SELECT count(*) FROM evtrack.item_result WHERE job_id = %s", job)
    queue.check(job)


def test_connections_cut_for_less_than_the_grace_period_cost_nothing(queue: Client, dsn: str) -> None:
    job = submit(queue, *['{"do": "sleep", "s": 0.05}'] * 80)
    grace = ("--slots", "1", "--lose-grace", "20")
    with worker(dsn, *grace, "--name", "a"), worker(dsn, *grace, "--name", "b"):
        for _ in range(3):
            eventually(lambda: running(queue, 2), 40)
            queue.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'evtrack worker%%' AND datname = current_database()"
            )
            eventually(lambda: len(_holders(queue)) == 2)
        eventually(lambda: finished(queue, job), 30)
    assert {"completed": 80} == statuses(queue)
    assert [] == queue.rows("SELECT * FROM evtrack.event WHERE type = 'crashed'")
    assert [] == queue.rows("SELECT * FROM evtrack.worker WHERE lost_at IS NOT NULL")
    queue.check(job)


def test_a_killed_and_restarted_server_loses_nothing() -> None:
    with servers.one_of_its_own() as (dsn, restart):
        with connect(dsn, purpose="test") as conn:
            job = submit(Client(conn, "scripted"), *['{"do": "sleep", "s": 0.05, "return": 1}'] * 120)
        with worker(dsn, "--slots", "1", "--lose-grace", "5"), worker(dsn, "--slots", "1", "--lose-grace", "5"):
            for round_no in (1, 2):
                with connect(dsn, purpose="test") as conn:
                    eventually(lambda: statuses(Client(conn, "")).get("completed", 0) >= 30 * round_no, 40)  # noqa: B023
                restart()
            with connect(dsn, purpose="test") as conn:
                queue = Client(conn, "scripted")
                eventually(lambda: finished(queue, job), 40)
                assert {"completed": 120} == statuses(queue)
                assert [] == queue.rows("SELECT * FROM evtrack.event WHERE type = 'crashed'")
                assert [] == queue.rows("SELECT * FROM evtrack.worker WHERE lost_at IS NOT NULL")
                assert 120 == queue.one("SELECT count(*) FROM evtrack.item_result WHERE job_id = %s", job)
                queue.check(job)


def test_a_job_whose_last_worker_died_before_finishing_it_is_finished_by_another(queue: Client, dsn: str) -> None:
    gone = queue.worker()
    job = queue.job(1)
    queue.complete(gone, queue.claim(gone, job))
    queue.conn.execute("UPDATE evtrack.worker SET seen_at = now() - interval '1 hour'")
    with worker(dsn, "--slots", "1", "--name", "other"):
        eventually(lambda: finished(queue, job), 40)
    assert {"completed": 1} == statuses(queue)
    queue.check(job)


def _holders(queue: Client) -> list[Any]:
    return queue.rows(
        "SELECT l.pid FROM pg_locks l JOIN evtrack.worker w"
        " ON (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('evtrack.worker', w.worker_id)"
        " WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )

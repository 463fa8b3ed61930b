"""`evtrack health` on a job with known events, and its exit codes for monitoring."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from client import Client
from command_line import evtrack
from evtrack.interfaces.cli import cli
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.system_health import health, recent_sums

pytestmark = pytest.mark.integration


@pytest.fixture
def client(conn: Connection) -> Client:
    return Client(conn, "annotate")


@pytest.fixture
def mixed_job(client: Client) -> int:
    """20 attempts that ended: 16 completed (one of them after a crash), 2 failed, 2 crashed; and what still waits."""
    job, worker = client.job(18, items=2, max_errors=5, max_crashes=5, backoff_s=0), client.worker()
    claims = client.claim(worker, job)
    client.complete(worker, claims[:14])
    client.fail(worker, claims[14:16])
    client.crash(worker, claims[16:17], cause="signal", signal="SIGSEGV", item_key="key:33", ordinal=33)
    # The first item was completed; that is not a separate attempt.
    dossier = {"cause": "exit_code", "exit_code": 7, "item_key": "key:36", "ordinal": 36}
    client.crash_with(worker, claims[17:], [dossier], done=["{[35,36)}"])
    client.complete(worker, client.claim(worker, job, returning=2)[:2])
    waiting = client.job(4, items=5)
    client.claim(worker, waiting, fresh=1, returning=0)
    return job


@pytest.mark.usefixtures("mixed_job")
def test_undelivered_alerts_are_unhealthy(dsn: str, conn: Connection) -> None:
    assert 0 == ask(dsn, "--max-crash-rate", "10")[0]
    conn.execute("SELECT evtrack.raise_alert('batch_failed', n::text, '', 'error', '{}') FROM generate_series(1, 2) n")
    conn.execute("UPDATE evtrack.alert SET created_at = created_at - interval '2 minutes'")
    code, out, _ = ask(dsn, "--max-crash-rate", "10")
    first, second = out.splitlines()[:2]
    assert 2 == code
    assert re.fullmatch(r"unhealthy: \d alerts? waits? for a watcher, the oldest for \dm \d+s: evtrack watch", first)
    assert "10.0 % of the attempts in the last 24h crashed, within 10 %" == second
    first, second = ask(dsn, "--max-crash-rate", "9")[1].splitlines()[:2]
    assert "unhealthy: 10.0 % of the attempts in the last 24h crashed, above 9 %" == first
    assert re.match(r"\d alerts? waits? for a watcher", second)
    assert 0 == ask(dsn, "--max-crash-rate", "10", "--max-alert-lag", "1h")[0]
    code, out, _ = ask(dsn, "--max-crash-rate", "10", "--json")
    found = json.loads(out)
    assert (2, False, 60.0) == (code, found["healthy"], found["max_alert_lag_s"])
    assert found["alerts_undelivered"] >= 2
    assert found["alerts_lag_s"] > 120
    conn.execute("UPDATE evtrack.alert SET delivered_at = now(), delivered_by = 'a watcher'")
    assert 0 == ask(dsn, "--max-crash-rate", "10")[0]


def ask(dsn: str, *options: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["health", "--dsn", dsn, *options], prog_name="evtrack")
    return done.exit_code, done.stdout, done.stderr


def test_the_report_matches_the_events_of_the_job(mixed_job: int, dsn: str, conn: Connection, client: Client) -> None:
    code, out, _ = ask(dsn, "--json", "--max-crash-rate", "10")
    found: dict[str, Any] = json.loads(out)
    ended = {name: found[name] for name in ("attempts", "completed", "failed", "crashed", "workers_lost", "running")}
    assert {"attempts": 20, "completed": 16, "failed": 2, "crashed": 2, "workers_lost": 0, "running": 1} == ended
    assert (0, True, 10.0) == (code, found["healthy"], found["crash_rate_pct"])
    assert (1, 2, 0, 0) == tuple(found[name] for name in ("workers", "slots", "silent", "no_worker"))
    assert found["oldest_s"] >= 0
    assert [(mixed_job, 18, "exit_code", "key:36"), (mixed_job, 17, "signal", "key:33")] == [
        (crash["job_id"], crash["batch_no"], crash["cause"], crash["item_key"]) for crash in found["latest_crashes"]
    ]
    (daily,) = client.rows("SELECT attempts, completed, failed, crashed FROM evtrack.crash_rate_daily")
    assert daily == {name: found[name] for name in daily}, "the log, read whole, says the same"
    pending = client.one("SELECT sum(batches_pending)::int FROM evtrack.job_progress")
    assert pending == found["pending"]
    # In the 20 minutes before these events nothing ended.
    conn.execute("SELECT pg_sleep(0.01)")
    assert 0 == health(conn, span_s=0.001).failed


def test_failed_items_of_completed_attempts_are_reported_by_item_and_batch(
    mixed_job: int, client: Client, conn: Connection, dsn: str
) -> None:
    job, worker = client.job(3, items=4, max_errors=1), client.worker()
    assert job != mixed_job
    one, two, three = client.claim(worker, job, fresh=3, returning=0)
    client.complete_partly(worker, one, "{[2,4)}")
    client.complete(worker, [two])
    client.requeue(worker, [three])
    client.one("SELECT evtrack.cancel(%s)", job)
    old = client.job(7, items=7)
    conn.execute("UPDATE evtrack.job SET created_at = created_at - interval '2 days' WHERE job_id = %s", [old])
    found = json.loads(ask(dsn, "--json")[1])
    assert 2 == found["failed"], "the attempt that left two failed items behind is none that failed"
    # The job has 36 items, of which the halves of a crashed batch and what was in hand in another crash wait; the
    # waiting job 20, of which one batch runs.
    assert found["created"] == {
        "jobs": 3,
        "done": 33 + 2 + 4,
        "failed": 2,
        "crashed": 0,
        "cancelled": 4,
        "invalid": 0,
        "pending": 3 + 15,
        "running": 5,
        "total": 36 + 20 + 12,
        "batches_done": 17 + 2,
        "batches_failed": 1,
        "batches_crashed": 0,
        "batches_split": 1,
        "batches_cancelled": 1,
        "batches_pending": 3 + 3,
        "batches_running": 1,
        "batches_total": 21 + 4 + 4,
    }
    out = ask(dsn)[1]
    assert "3 jobs created in the last 24h" in out
    assert re.search(r"^failed +2 +2\.9 % +1$", out, re.MULTILINE), out
    assert 0 == recent_sums(conn, span_s=0.000_001).jobs


def test_the_exit_code_is_2_above_the_threshold_and_other_codes_explain_the_error(mixed_job: int, dsn: str) -> None:
    assert mixed_job
    done = evtrack("health", "--dsn", dsn)
    assert (2, "") == (done.returncode, done.stderr)
    out = done.stdout
    assert "unhealthy: 10.0 % of the attempts in the last 24h crashed, above 5 %" in out
    assert "SIGSEGV" in out
    assert "key:36" in out
    assert [] == [line for line in out.splitlines() if len(line) > 80]
    assert 0 == ask(dsn, "--max-crash-rate", "10")[0]
    for wrong in (("--window", "1y"), ("--no-such",), ("--max-crash-rate", "x")):
        code, out, err = ask(dsn, *wrong)
        assert (64, "") == (code, out)
        assert "Usage: evtrack health" in err
    assert 5 == ask("host=127.0.0.1 port=1 dbname=x")[0]


def test_without_a_schema_the_exit_code_is_4(empty_dsn: str) -> None:
    assert 4 == ask(empty_dsn)[0]


def test_an_empty_database_is_healthy(dsn: str) -> None:
    code, out, _ = ask(dsn, "--window", "90s")
    assert 0 == code
    assert "healthy: 0.0 % of the attempts in the last 90s crashed" in out
    assert "no live worker" in out


def test_too_few_attempts_are_not_judged(mixed_job: int, dsn: str) -> None:
    assert mixed_job
    assert 2 == ask(dsn, "--least-attempts", "20")[0]
    code, out, _ = ask(dsn, "--least-attempts", "21")
    assert 0 == code
    first = "healthy: 10.0 % of the attempts in the last 24h crashed, of only 20"
    assert first == out.splitlines()[0]
    found = json.loads(ask(dsn, "--least-attempts", "21", "--json")[1])
    assert (True, 21) == (found["healthy"], found["least_attempts"])


def test_a_lost_worker_alone_does_not_make_the_crash_rate_unhealthy(client: Client, dsn: str) -> None:
    job, lost, worker = client.job(30), client.worker(), client.worker()
    client.claim(lost, job, fresh=10)
    client.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 hour' WHERE worker_id = %s", [lost])
    client.run_steadily()
    client.one("SELECT count(*) FROM evtrack.reap()")
    client.complete(worker, client.claim(worker, job, fresh=20, returning=0))
    code, out, _ = ask(dsn, "--json")
    found = json.loads(out)
    assert (0, 0, 10, 20) == (code, found["crashed"], found["workers_lost"], found["attempts"])
    # Its alert is what makes it unhealthy, and only while no watcher delivers it.
    client.conn.execute("UPDATE evtrack.alert SET created_at = created_at - interval '2 minutes'")
    assert 2 == ask(dsn)[0]
    client.conn.execute("UPDATE evtrack.alert SET delivered_at = now()")
    assert 0 == ask(dsn)[0]
    (daily,) = client.rows("SELECT attempts, completed, crashed, workers_lost FROM evtrack.crash_rate_daily")
    assert {"attempts": 20, "completed": 20, "crashed": 0, "workers_lost": 10} == daily


def test_a_lost_worker_is_counted_and_a_silent_one_is_named(client: Client, conn: Connection, dsn: str) -> None:
    job, lost, silent = client.job(4), client.worker(), client.worker()
    client.claim(lost, job, fresh=1)
    conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 hour' WHERE worker_id = %s", [lost])
    client.run_steadily()
    conn.execute("SELECT evtrack.reap()")
    client.claim(silent, job, fresh=1)
    client.one("SELECT evtrack.heartbeat(%s, 1)", silent)
    conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '5 minutes' WHERE worker_id = %s", [silent])
    code, out, _ = ask(dsn, "--json")
    found = json.loads(out)
    assert (0, 0, 1, 0.0) == (code, found["crashed"], found["workers_lost"], found["crash_rate_pct"])
    assert (1, 1, 0, 1) == tuple(found[name] for name in ("silent", "silent_busy", "workers", "no_worker"))
    assert 300 <= found["longest_silent_s"] < 400
    shown = " ".join(ask(dsn)[1].split())
    assert re.search(r"1 silent, the longest for 5m \d+s, with 1 slot busy at the last heartbeat", shown)
    assert "1 job without a worker: see evtrack doctor" in shown

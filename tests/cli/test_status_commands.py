"""The commands that look and steer, on jobs with known events."""

import json
import re
import subprocess
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console
from structlog.testing import capture_logs

from client import Client
from command_line import environment, evtrack, evtrack_command
from evtrack.interfaces.cli.jobs.progress import changes
from evtrack.interfaces.cli.processing import run as run_command
from evtrack.interfaces.terminal.progress import ProgressDisplay, job_state
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.reports.job_reports import job_progress
from polling import eventually

pytestmark = pytest.mark.integration

EVIL = "evil\x1b[31m\x9b:\u202e7"


@pytest.fixture
def client(conn: Connection) -> Client:
    """A session with this test's own database."""
    return Client(conn, "annotate")


@pytest.fixture
def asked(run: Any) -> Any:
    """Run a command with --json, and return its document."""
    return lambda *args: json.loads(run(*args, "--json").stdout)


@pytest.fixture
def job(client: Client) -> int:
    """A finished job of 3 batches of 4: done, failed with a nasty message, crashed on item 10 (4) and done (5)."""
    job, worker = client.job(3, items=4, max_errors=1, max_crashes=1), client.worker()
    one, two, three = client.claim(worker, job)
    client.complete(worker, [one])
    client.fail(worker, [two], {"type": "ValueError", "message": "two\nlines \x1b[2J"})
    client.crash(worker, [three], cause="signal", signal="SIGSEGV", item_key="key:10", ordinal=10)
    client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    return job


def test_the_status_of_a_job_is_one_document(asked: Any, job: int) -> None:
    document = asked("status", str(job))
    expected = {
        "job_id": job,
        "handler": "annotate",
        "phase": "finished",
        "outcome": "with errors",
        "total": 12,
        "done": 7,
        "failed": 4,
        "crashed": 1,
        "percent": 100.0,
        "batches": 5,
        "batches_failed": 1,
    }
    assert expected == {name: document[name] for name in expected}
    assert [("SIGSEGV", "key:10", 3)] == [(c["signal"], c["item_key"], c["batch_no"]) for c in document["crashes"]]
    assert [("ValueError", "two\nlines \x1b[2J", 1)] == [
        (e["type"], e["message"], e["failures"]) for e in document["errors"]
    ]
    assert f"evtrack retry {job}" in [step["command"] for step in document["next"]]
    created = datetime.fromisoformat(document["created_at"])
    assert document["created_at"].endswith("Z")
    assert timedelta(0) == created.utcoffset()


def test_the_status_of_a_job_reads_well_in_80_columns(run: Any, job: int) -> None:
    shown = run("status", str(job)).stdout
    for words in (
        f"Job {job}  annotate",
        "finished with errors",
        "100.0 %",
        "Latest crashes",
        "SIGSEGV",
        "key:10",
        "Most common errors",
        "ValueError: two\\nlines \\x1b[2J",
        f"evtrack retry {job}",
    ):
        assert words in shown
    assert re.search(r"^done +7 +2$", shown, re.MULTILINE)
    assert re.search(r"^total +12 +5$", shown, re.MULTILINE)
    assert [] == [line for line in shown.splitlines() if len(line) > 80]
    assert "\x1b" not in shown


def test_the_overview_shows_active_jobs(run: Any, asked: Any, client: Client, job: int) -> None:
    open_job = client.job(2)
    shown = run("status").stdout
    assert "1 active job, 1 ended; 1 worker, 0 of 2 slots busy" in shown
    assert "Active jobs" in shown
    assert "Latest ended jobs" in shown
    document = asked("status")
    assert ([open_job], [job]) == tuple([row["job_id"] for row in document[part]] for part in ("active", "ended"))
    assert {"finished": 1, "sealed": 1} == document["phases"]
    assert ["alive"] == [worker["state"] for worker in document["workers"]]


def test_status_of_an_empty_database_explains_how_to_begin(run: Any) -> None:
    assert "evtrack submit" in run("status").stdout
    assert "evtrack submit" in run("jobs").stdout


def test_jobs_are_listed_latest_first_and_filtered(run: Any, asked: Any, client: Client, job: int) -> None:
    second = client.job()
    third = Client(client.conn, "other").job()
    assert [third, second, job] == [row["job_id"] for row in asked("jobs")]
    assert [third, second] == [row["job_id"] for row in asked("jobs", "--limit", "2")]
    assert [job] == [row["job_id"] for row in asked("jobs", "--phase", "finished,cancelled")]
    assert [third] == [row["job_id"] for row in asked("jobs", "--handler", "other")]
    assert "annotate" in run("jobs").stdout
    assert "No such jobs." in run("jobs", "--phase", "abandoned").stdout
    assert "'done' is not one of open, abandoned" in run("jobs", "--phase", "done", code=2).stderr


def test_batches_are_listed_and_filtered(run: Any, asked: Any, job: int) -> None:
    assert [1, 2, 3, 4, 5] == [row["batch_no"] for row in asked("batches", str(job))]
    troubled = asked("batches", str(job), "--status", "failed,crashed")
    assert [(2, "failed"), (4, "crashed")] == [(row["batch_no"], row["status"]) for row in troubled]
    assert "key:5, key:6, key:7... (1 more)" == troubled[0]["item_summary"]
    shown = run("batches", str(job), "--limit", "2").stdout
    assert "key:1, key:2, key:3... (1 more)" in shown
    assert "two\\nlines" in shown
    assert "Raise --limit to see more" in shown
    assert "has no such batch" in run("batches", str(job), "--status", "pending").stdout


def test_events_come_in_the_order_of_their_streams(asked: Any, run: Any, job: int) -> None:
    events = asked("events", str(job))
    assert ["created", "extended", "sealed"] == [event["type"] for event in events if event["batch_no"] == 0][:3]
    assert "finished" == events[-1]["type"]
    for number in range(6):
        versions = [event["version"] for event in events if event["batch_no"] == number]
        assert list(range(1, len(versions) + 1)) == versions
    assert ["enqueued", "started", "crashed", "split"] == [e["type"] for e in asked("events", str(job), "--batch", "3")]
    shown = run("events", str(job), "--batch", "2").stdout.splitlines()
    assert 3 == len(shown)
    assert "failed (attempt 1) by worker 1" in shown[2]
    assert "two\\nlines" in shown[2]


def test_events_are_followed_to_the_end_of_the_job(dsn: str, client: Client, run: Any) -> None:
    job, worker = client.job(2), client.worker()

    def work() -> None:
        with connect(dsn, purpose="test") as conn:
            other = Client(conn, client.handler)
            for claim in other.claim(worker, job):
                other.complete(worker, [claim])
            other.one("SELECT evtrack.finish_due(%s)", job)

    # The job goes on only once the follower is there.
    def when_heard() -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack events'"
            eventually(lambda: conn.execute(there).fetchone() == (1,), 20)
        work()

    thread = threading.Thread(target=when_heard)
    thread.start()
    lines = [json.loads(line) for line in run("events", str(job), "--follow", "--json").stdout.splitlines()]
    thread.join(20)
    assert "finished" == lines[-1]["type"]
    assert len(lines) == len({(line["batch_no"], line["version"]) for line in lines}) == 3 + 2 * 3 + 1


def test_a_follower_is_not_delayed(dsn: str, client: Client, run: Any, job: int) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute("SELECT pg_current_xact_id()")
        # Something later than the open transaction, so that the end of the job lies behind it.
        client.job()
        result = run("events", str(job), "--follow")
        assert "finished" in result.stdout.splitlines()[-1]
        assert "" == result.stderr


def test_progress_is_one_line_or_one_document(run: Any, asked: Any, job: int) -> None:
    line = run("progress", str(job)).stdout
    assert f"job {job} finished: 100.0 % (12 of 12 items; 4 failed, 1 crashed, 0 invalid)" in line
    assert (12, 7, 12) == tuple(asked("progress", str(job))[name] for name in ("total", "done", "ended"))


def test_progress_is_followed_to_the_end(dsn: str, client: Client, job: int) -> None:
    del job
    running, worker = client.job(3), client.worker()
    seen = []
    with connect(dsn, purpose="test") as conn:
        for progress in changes(conn, running, poll_s=0.01):
            seen.append(progress.done)
            for claim in client.claim(worker, running, fresh=1):
                client.complete(worker, [claim])
            client.one("SELECT evtrack.finish_due(%s)", running)
    assert [0, 1, 2, 3] == seen


def test_a_change_too_soon_after_another_is_printed_later(dsn: str, client: Client, job: int) -> None:
    del job
    running, worker = client.job(2), client.worker()
    with connect(dsn, purpose="test") as conn:
        following = changes(conn, running, poll_s=0.01, least_gap_s=0.3)
        assert 0 == next(following).done
        client.complete(worker, client.claim(worker, running, fresh=1))
        # Nothing happens after this, and nobody waits for more to happen.
        assert 1 == next(following).done


def test_a_follower_of_progress_ends_with_the_job_and_prints_lines(dsn: str, job: int) -> None:
    result = evtrack("progress", str(job), "--follow", "--dsn", dsn)
    assert (0, 1) == (result.returncode, len(result.stdout.splitlines())), result.stderr
    result = evtrack("progress", str(job), "--follow", "--json", "--dsn", dsn)
    assert "finished" == json.loads(result.stdout)["phase"]


def test_the_live_bar_shows_progress_and_failures(conn: Connection, client: Client) -> None:
    job, worker = client.job(4), client.worker()
    client.complete(worker, client.claim(worker, job, fresh=1))
    console = Console(force_terminal=True, width=80, record=True)
    with ProgressDisplay("", console=console, keeps_last=True) as display:
        display.update(job_state(job_progress(conn, job)))
    drawn = console.export_text()
    assert f"job {job} working" in drawn
    assert "25.0 %" in drawn
    assert "1/4" in drawn


def test_a_job_is_suspended_and_resumed(asked: Any, run: Any, client: Client) -> None:
    job = client.job()
    assert {"job_id": job, "action": "suspend", "changed": True} == asked("suspend", str(job))
    assert asked("suspend", str(job))["changed"] is False
    assert "sealed, suspended" in run("jobs").stdout
    assert [] == client.claim(client.worker(), job)
    assert "is resumed" in run("resume", str(job)).stdout
    assert asked("resume", str(job))["changed"] is False
    assert 1 == len(client.claim(client.worker(), job))


def test_resuming_and_retrying_wake_the_workers(dsn: str, run: Any, client: Client, job: int) -> None:
    waiting = client.job()
    run("suspend", str(waiting))
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("LISTEN evtrack_work")
        run("resume", str(waiting))
        run("retry", str(job))
        heard = [notice.payload for notice in conn.notifies(timeout=10, stop_after=2)]
    assert ["annotate", "annotate"] == heard


def test_a_job_is_cancelled(asked: Any, run: Any, client: Client, job: int) -> None:
    waiting = client.job(2)
    assert asked("cancel", str(waiting))["changed"] is True
    assert asked("cancel", str(waiting))["changed"] is False
    assert ["cancelled", "cancelled"] == [row["status"] for row in asked("batches", str(waiting))]
    assert "0 invalid, 2 cancelled" in run("progress", str(waiting)).stdout
    assert "nothing is left to cancel" in run("cancel", str(job), code=1).stderr


def test_failed_and_crashed_batches_can_be_retried(asked: Any, run: Any, client: Client, job: int) -> None:
    nothing = run("retry", str(job), "--batch", "1").stdout
    assert f"Job {job} has no failed or crashed batches to retry.\n" == nothing
    assert 1 == asked("retry", str(job), "--status", "failed")["batches"]
    assert "sealed" == client.phase(job)
    assert 0 == asked("retry", str(job), "--batch", "2")["batches"]
    # Batch 3 is split: its item in hand is in batch 4.
    assert "no failed or crashed batches to retry" in run("retry", str(job), "--batch", "3").stdout
    assert "returned 1 batch to the queue" in run("retry", str(job), "--batch", "4").stdout
    assert ["completed", "pending", "split", "pending", "completed"] == [
        row["status"] for row in asked("batches", str(job))
    ]
    assert (
        "'completed' is not one of failed, crashed." in run("retry", str(job), "--status", "completed", code=2).stderr
    )


@pytest.mark.parametrize("command", ["status", "batches", "events", "progress", "suspend", "resume", "cancel", "retry"])
def test_a_missing_job_is_reported(run: Any, command: str) -> None:
    result = run(command, "99", code=1)
    assert "There is no job 99." in result.stderr
    assert "evtrack jobs" in result.stderr
    assert "" == result.stdout


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_an_invalid_job_id_is_wrong_usage(run: Any, number: str) -> None:
    run("status", "--", number, code=2)


def test_names_keys_and_errors_are_escaped_for_the_terminal(run: Any, client: Client) -> None:
    name = "name\x1b]0;gotcha\x07\nsecond"
    keys = [f"{EVIL}{number}" for number in range(3)]
    job = client.one("SELECT evtrack.enqueue('annotate', %s, %s, %s)", keys, ["1"] * 3, name)
    worker = client.worker()
    client.crash(worker, client.claim(worker, job), cause="signal", signal="\x1b[1m", item_key=EVIL, stderr="\x1b[2J")
    for command in (["status"], ["status", str(job)], ["jobs"], ["batches", str(job)], ["events", str(job)]):
        shown = run(*command).stdout
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown), command
        assert "second" not in [line.strip() for line in shown.splitlines()]
    assert r"evil\x1b[31m\x9b:\u202e70" in run("batches", str(job)).stdout


def test_a_long_name_and_a_large_number_fit_into_80_columns(run: Any, client: Client) -> None:
    other = Client(client.conn, "h" * 200)
    job = other.one("SELECT evtrack.enqueue(%s, %s, %s, %s)", other.handler, ["k" * 500], ["1"], "n" * 300)
    client.conn.execute("UPDATE evtrack.job SET item_count = 123456789012 WHERE job_id = %s", (job,))
    for command in (["status"], ["status", str(job)], ["jobs"], ["batches", str(job)]):
        shown = run(*command).stdout
        assert [] == [line for line in shown.splitlines() if len(line) > 80], command
    assert "123,456,789,012" in run("jobs").stdout


def test_progress_resumes_when_the_database_is_back(
    dsn: str, conn: Connection, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_command, "LOG_EVERY_S", 0.01)
    monkeypatch.setattr(run_command, "_RECONNECT_S", 0.01)
    job = client.job()
    mine = "FROM pg_stat_activity WHERE application_name = 'evtrack progress' AND datname = current_database()"
    with capture_logs() as logs, run_command.JobMonitor(dsn=dsn) as progress:
        progress.watch(job)
        eventually(lambda: "job_progress" in [log["event"] for log in logs])
        assert conn.execute(f"SELECT pg_terminate_backend(pid) {mine}").fetchall() == [(True,)]
        eventually(lambda: "progress_connection_lost" in [log["event"] for log in logs])
        eventually(lambda: "job_progress" == logs[-1]["event"])
    assert 1 == sum(log["event"] == "progress_connection_lost" for log in logs)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["status", "status 1", "jobs --json", "events 1", "events 1 --json", "results 1"])
def test_a_failed_write_to_stdout_is_reported(dsn: str, client: Client, command: str, unbuffered: str) -> None:
    job, worker = client.job(), client.worker()
    client.complete(worker, client.claim(worker, job), results=['"a result"'])
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            evtrack_command(*command.split(), "--dsn", dsn),
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            timeout=60,
        )
    assert 74 == done.returncode
    assert done.stderr.startswith("Error: The output cannot be written to stdout: No space left on device.\n")

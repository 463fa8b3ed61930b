"""`evtrack progress`, the live bar, and the progress of a run."""

import json
from typing import Any

import pytest
from rich.console import Console
from structlog.testing import capture_logs

from client import Client
from command_line import evtrack
from evtrack.interfaces.cli.jobs.progress import changes
from evtrack.interfaces.cli.processing import run as run_command
from evtrack.interfaces.terminal.progress import ProgressDisplay, job_state
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.reports.job_reports import job_progress
from polling import eventually

pytestmark = pytest.mark.integration


def test_progress_is_one_line_or_one_document(run: Any, run_json: Any, job: int) -> None:
    line = run("progress", str(job)).stdout
    assert f"job {job} finished: 100.0 % (12 of 12 items; 4 failed, 1 crashed, 0 invalid)" in line
    assert (12, 7, 12) == tuple(run_json("progress", str(job))[name] for name in ("total", "done", "ended"))


def test_progress_is_followed_to_the_end(dsn: str, client: Client, job: int) -> None:
    del job
    running, worker = client.job(3), client.worker()
    seen = []
    with connect(dsn, purpose="test") as conn:
        for progress in changes(lambda: job_progress(conn, running), poll_s=0.01):
            seen.append(progress.done)
            for claim in client.claim(worker, running, fresh=1):
                client.complete(worker, [claim])
            client.one("SELECT evtrack.finish_due(%s)", running)
    assert [0, 1, 2, 3] == seen


def test_a_change_too_soon_after_another_is_printed_later(dsn: str, client: Client, job: int) -> None:
    del job
    running, worker = client.job(2), client.worker()
    with connect(dsn, purpose="test") as conn:
        following = changes(lambda: job_progress(conn, running), poll_s=0.01, least_gap_s=0.3)
        assert 0 == next(following).done
        client.complete(worker, client.claim(worker, running, fresh=1))
        # Nothing happens after this, and the follower does not wait for more.
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

"""Following the log from other programs: positions to resume from, lost connections, and Ctrl-C."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from itertools import count
from typing import Any

import pytest

import evtrack
from client import Client
from command_line import environment, evtrack_command
from evtrack.domain.database_errors import CannotConnect
from evtrack.storage.connection.own_connection import OwnConnection
from evtrack.storage.log.feed import feed
from evtrack.storage.log.log_row import LogRow
from pgbouncer import pooled
from polling import eventually

pytestmark = pytest.mark.integration


def names(rows: list[Any]) -> list[tuple[int, int, int]]:
    """Name events by stream and version."""
    return [(row["job_id"], row["batch_no"], row["version"]) for row in rows]


def test_each_line_carries_the_position_to_resume_from(own_client: Client, run: Any) -> None:
    jobs = [own_client.job(2), own_client.job(1)]

    def lines(*args: str) -> list[Any]:
        return [json.loads(line) for line in run("events", *args, "--json").stdout.splitlines()]

    whole = lines()
    assert set(jobs) == {line["job_id"] for line in whole}
    for place in (0, 3, len(whole) - 1):
        position = whole[place]["position"]
        assert whole[place + 1 :] == lines("--after", position)
        assert [name for name in names(whole[place + 1 :]) if name[0] == jobs[0]] == names(
            lines(str(jobs[0]), "--after", position)
        )
    later = own_client.job(1)
    assert {later} == {line["job_id"] for line in lines("--after", whole[-1]["position"])}


def test_a_wrong_position_or_filter_is_refused(own_client: Client, run: Any) -> None:
    own_client.job()
    last = json.loads(run("events", "--json").stdout.splitlines()[-1])["position"]
    other = last.rpartition("-")[0] + "-1"
    assert "do not survive a restore" in run("events", "--after", other, code=1).stderr
    assert "--batch needs a JOB" in run("events", "--batch", "1", code=1).stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "12",
        "5-3-0-1",
        "1-2-3-4-5",
        "1-2-x-4",
        "-1-2-3-4",
        "\u0663-\u0664-\u0660-\u0661",
        f"{'1' * 5000}-2-3-4",
        f"1-{2**63}-0-4",
        "",
    ],
)
def test_an_invalid_position_is_refused(run: Any, wrong: str) -> None:
    said = run("events", f"--after={wrong}", code=1).stderr
    assert "is not a valid position in the log." in said
    assert "evtrack events --json" in said
    assert len(said) < 400


def test_an_invalid_batch_number_is_refused(own_client: Client, run: Any) -> None:
    job = own_client.job(2)
    assert ["1", "2"] == [str(row["batch_no"]) for n in (1, 2) for row in json.loads(events(run, job, n).stdout)]
    assert {0} == {row["batch_no"] for row in json.loads(events(run, job, 0).stdout)}
    refused = events(run, job, 99999, code=1).stderr
    assert f"Job {job} has no batch 99999." in refused
    assert f"`evtrack batches {job}` lists its batches." in refused
    assert "is not an integer from 0 to" in events(run, job, 99999999999, code=2).stderr


def events(run: Any, job: int, number: int, **more: Any) -> Any:
    """Run `evtrack events` for a stream of a job."""
    return run("events", str(job), "--batch", str(number), "--json", **more)


def test_the_python_api_reads_the_same_events(dsn: str, own_client: Client) -> None:
    job = own_client.job(2)
    whole = list(evtrack.tail(dsn))
    assert [(job, 0), (job, 0), (job, 0), (job, 1), (job, 2)] == [(row.job_id, row.batch_no) for _, row in whole]
    assert whole[3:] == list(evtrack.tail(dsn, after=whole[2][0], job=job))


# A cursor whose connection was ended in the midst of it cannot be closed, and psycopg says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_connection_is_reopened(dsn: str, own_client: Client) -> None:
    seen: list[LogRow] = []
    end = threading.Event()

    thread = threading.Thread(target=_collect, args=(dsn, seen, end))
    thread.start()
    try:
        for count in (4, 8):
            own_client.job()
            eventually(lambda count=count: len(seen) >= count)
            assert eventually(
                lambda: own_client.one(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = 'evtrack tail' AND datname = current_database()"
                )
            )
        job = own_client.job()
        eventually(lambda: any(row.job_id == job for row in seen))
    finally:
        end.set()
        thread.join(20)
    eventually(lambda: len(seen) == own_client.one("SELECT count(*) FROM evtrack.event"))
    assert len(seen) == len({(row.job_id, row.batch_no, row.version) for row in seen})


@pytest.mark.parametrize("good", [0, 1])
def test_a_connection_lost_at_once_is_reported_like_one_that_never_opened(
    dsn: str, own_client: Client, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    own_client.job()
    real, opened = OwnConnection.connect, count()

    def lost(*args: Any, **kwargs: Any) -> Any:
        conn = real(*args, **kwargs)
        if next(opened) >= good:
            own_client.one("SELECT pg_terminate_backend(%s, 10000)", conn.info.backend_pid)
        return conn

    monkeypatch.setattr(OwnConnection, "connect", lost)
    with pytest.raises(CannotConnect, match="Cannot connect to PostgreSQL"):
        next(evtrack.tail(dsn, follow=True))


@pytest.mark.parametrize("pooler", [False, True])
@pytest.mark.parametrize("command", ["events", "events 1", "events 1 --follow", "results 1"])
def test_a_reader_that_closes_the_pipe_ends_the_command_silently(
    dsn: str, own_client: Client, command: str, *, pooler: bool
) -> None:
    job, worker = own_client.job(1000), own_client.worker()
    held = own_client.claim(worker, job, fresh=1000)
    own_client.complete(worker, held, results=[f'"{"x" * 200}"'] * len(held))
    with pooled(dsn) if pooler else nullcontext(dsn) as there:
        words = evtrack_command(*command.split(), "--dsn", there)
        words = [*words, "--json"] if command.startswith("events") else words
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert b"" == process.stderr.read()
            assert 1 == process.wait(60)


def _collect(dsn: str, seen: list[LogRow], end: threading.Event) -> None:
    rows = feed(dsn, follow=True, waiting=lambda _: _stop(end))
    with suppress(InterruptedError):
        for _, row in rows:
            seen.append(row)


def _stop(end: threading.Event) -> None:
    if end.is_set():
        raise InterruptedError


def test_ctrl_c_ends_a_follower(dsn: str, own_client: Client) -> None:
    own_client.job()
    command = [sys.executable, "-m", "evtrack", "events", "--follow", "--json", "--dsn", dsn]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as follower:
        assert follower.stdout is not None
        lines = [json.loads(follower.stdout.readline()) for _ in range(4)]
        follower.send_signal(signal.SIGINT)
        _, said = follower.communicate(timeout=20)
    assert "created" == lines[0]["type"]
    assert 130 == follower.returncode
    assert "Interrupted." == said.strip()

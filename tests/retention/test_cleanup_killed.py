"""A cleanup that is killed at any point leaves each day complete or dropped, and the next one finishes."""

import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import Client
from command_line import evtrack_process
from evtrack.runtime.retention.archive_check import check_archive, find_archives
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.cleanup_result import DroppedDay
from evtrack.storage.connection.connect import Connection, connect
from old_jobs import days_ago, ended_job, old_job, partition_days
from polling import eventually

pytestmark = [pytest.mark.integration, pytest.mark.crash]
DAYS = [days_ago(9), days_ago(8)]
OVER = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'evtrack cleanup'"


@pytest.fixture
def client(conn: Connection) -> Client:
    """A session with two days that are over."""
    client = Client(conn)
    for day in DAYS:
        ended_job(client, day, 40, items=2)
    return client


@contextmanager
def cleaning(dsn: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the real command; kill it when the block ends."""
    with evtrack_process(
        "cleanup", "--dsn", dsn, "--older-than", "0s", "--archive", str(folder), stderr=subprocess.STDOUT
    ) as process:
        yield process


def whole(client: Client) -> None:
    """Hold every day to being there with all of its rows, or gone with a line for each of its jobs."""
    # The server notices a killed client a moment later, and may still commit its last statement.
    eventually(lambda: client.one(OVER), 30)
    there = partition_days(client)
    for day in DAYS:
        jobs = client.rows("SELECT job_id FROM evtrack.job WHERE job_day = %s ORDER BY job_id", day)
        lines = client.rows("SELECT job_id FROM evtrack.dropped_job WHERE job_day = %s", day)
        assert (day in there) == bool(jobs)
        assert bool(jobs) != bool(lines)
        client.check(*(row["job_id"] for row in jobs[:1]))  # the others are large


def finish(client: Client, folder: Path) -> None:
    """Run a cleanup to its end, and hold the archive to being whole and alone."""
    whole(client)
    done = list(Cleanup(conn=client.conn, older_than_s=0, archive=folder).run())
    assert all(isinstance(day, DroppedDay) for day in done), done
    assert not set(DAYS) & partition_days(client)
    whole(client)
    assert [str(day) for day in DAYS] == sorted(path.name for path in folder.iterdir())
    for archive in find_archives(folder):
        manifest, differences = check_archive(archive)
        assert [] == differences
        assert manifest is not None
        lines = client.rows(
            "SELECT job_id, digest, archive FROM evtrack.dropped_job WHERE job_day = %s ORDER BY job_id", manifest.day
        )
        assert {str(archive)} == {line["archive"] for line in lines}
        assert [(job.job_id, job.digest) for job in manifest.jobs] == [
            (line["job_id"], line["digest"]) for line in lines
        ]


_CODES = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("way", _CODES)
def test_ended_while_it_writes_the_archive(client: Client, dsn: str, tmp_path: Path, way: signal.Signals) -> None:
    # Large enough that it takes a while.
    client.one("SELECT evtrack.cancel(%s)", old_job(client, DAYS[0], 6_000))
    with cleaning(dsn, tmp_path) as process:
        eventually(
            lambda: list(tmp_path.glob(".*.partial/events.jsonl.gz")) or process.poll() is not None, 60, every_s=0.002
        )
        process.send_signal(way)
        said, _ = process.communicate(timeout=30)
    assert _CODES[way] == process.returncode, said
    left = [f".{DAYS[0]}.partial"] if way is signal.SIGKILL else []
    assert left == [path.name for path in tmp_path.iterdir()]
    whole(client)
    finish(client, tmp_path)


@pytest.mark.parametrize("way", _CODES)
def test_ended_between_the_archive_and_the_drop(client: Client, dsn: str, tmp_path: Path, way: signal.Signals) -> None:
    with connect(dsn, purpose="holder") as holder, holder.transaction():
        # Read by others: the archive can be written, and the day cannot be dropped.
        holder.execute("SELECT FROM evtrack.event LIMIT 1")
        with cleaning(dsn, tmp_path) as process:
            eventually(lambda: (tmp_path / str(DAYS[0])).exists() or process.poll() is not None, 60)
            process.send_signal(way)
            said, _ = process.communicate(timeout=30)
    assert _CODES[way] == process.returncode, said
    finish(client, tmp_path)


@pytest.mark.slow
def test_killed_at_random_times(client: Client, dsn: str, tmp_path: Path) -> None:
    chance = random.Random(1125)
    for _ in range(12):
        with cleaning(dsn, tmp_path) as process:
            eventually(
                lambda: (
                    client.rows("SELECT 1 FROM pg_stat_activity WHERE application_name = 'evtrack cleanup'")
                    or process.poll() is not None
                ),
                60,
            )
            try:
                process.wait(chance.uniform(0, 0.4))
            except subprocess.TimeoutExpired:
                process.kill()
        whole(client)
    finish(client, tmp_path)

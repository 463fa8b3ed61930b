"""A database of a released version is migrated with its log unchanged, and work continues."""

import gzip
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from client import Client
from command_line import environment, evtrack_command
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.redact import without_password
from evtrack.storage.embedded.data_directory import programs
from evtrack.storage.schema import migrations
from polling import eventually

pytestmark = pytest.mark.integration

DATA = Path(__file__).parent / "data"
_LOG = "SELECT job_day, job_id, batch_no, version, type, attempt, worker_id, at, seq, xid, data FROM evtrack.event"


def log(conn: Connection) -> list[tuple[Any, ...]]:
    """Return the events with what the first version had of each."""
    return conn.execute(f"{_LOG} ORDER BY seq".encode()).fetchall()


def restore(dsn: str, name: str) -> None:
    """Bring a dump in."""
    target, password = without_password(dsn)
    subprocess.run(
        [str(programs() / "psql"), target, "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input=gzip.decompress((DATA / f"{name}.sql.gz").read_bytes()),
        check=True,
        capture_output=True,
        env={**environment(), "PGPASSWORD": password or "", "PATH": os.environ["PATH"]},
        timeout=60,
    )


def test_a_migrated_version_2_keeps_its_log_and_works(empty_dsn: str) -> None:
    restore(empty_dsn, "0002")
    with connect(empty_dsn, purpose="test") as conn:
        before = log(conn)
        assert 40 < len(before)
        (applied, *_rest) = migrations.up(conn)
        assert "0003_alerts" == applied
        assert migrations.status(conn).current
        assert before == log(conn)
        client = Client(conn, "old")
        client.check(1, 2, 3)
        worker = client.worker()
        claims = client.claim(worker, 1)
        assert claims
        assert {"ok"} == set(client.complete(worker, claims))
        client.check(1)
        # Down to what it was, which has no digests, and up again.
        migrations.down(conn, to=2, drop_log=True)
        assert before == log(conn)[: len(before)]
        migrations.up(conn)
        client.check(1, 2, 3)


@pytest.mark.crash
def test_killed_migrators_leave_the_released_version_and_then_two_migrate_at_once(empty_dsn: str) -> None:
    restore(empty_dsn, "0002")
    command = evtrack_command("migrate", "up", "--dsn", empty_dsn)
    with connect(empty_dsn, purpose="test") as conn:
        before = log(conn)
        for table in ("batch", "payload"):
            # A migration that alters the table waits for this transaction, with those before it done.
            with connect(empty_dsn, purpose="test") as other, other.transaction():
                other.execute(f"LOCK TABLE evtrack.{table} IN ROW EXCLUSIVE MODE".encode())
                with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as migrator:
                    eventually(lambda: waiting(conn), 30)
                    migrator.send_signal(signal.SIGKILL)
            assert -signal.SIGKILL == migrator.returncode
            assert 2 == migrations.status(conn).version
            assert before == log(conn)
        both = [subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [0, 0] == [migrator.wait(60) for migrator in both]
        assert migrations.status(conn).current
        assert before == log(conn)
        Client(conn, "old").check(1, 2, 3)


def waiting(conn: Connection) -> bool:
    """Whether a migrator waits for a lock on a table."""
    there = "SELECT FROM pg_stat_activity WHERE application_name = 'evtrack migrate' AND wait_event_type = 'Lock'"
    return conn.execute(f"SELECT EXISTS ({there} AND datname = current_database())".encode()).fetchone() == (True,)

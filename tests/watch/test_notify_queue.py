"""A full NOTIFY queue: it is emptied once nobody keeps it full, and until then the session that does is named."""

import time
from collections.abc import Iterator

import psycopg
import pytest
from structlog.testing import capture_logs

from command_line import evtrack
from evtrack.runtime.maintenance import Maintenance
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.queue.job_control import wake_watchers
from servers import one_of_its_own

pytestmark = pytest.mark.integration

LISTEN = "LISTEN evtrack_alert"


@pytest.fixture(scope="module")
def small_queue() -> Iterator[str]:
    """A server whose NOTIFY queue is full soon."""
    with one_of_its_own() as (dsn, restart):
        with psycopg.connect(dsn, autocommit=True) as conn:
            if conn.info.server_version < 170_000:
                pytest.skip("only PostgreSQL 17 or later can have a small NOTIFY queue")
            conn.execute("ALTER SYSTEM SET max_notify_queue_pages = 64")
        restart()
        yield dsn


def stuck(dsn: str) -> psycopg.Connection:
    """Open a session that listens and keeps a transaction open."""
    conn = psycopg.connect(dsn, application_name="forgotten")
    conn.execute(LISTEN)
    conn.commit()
    conn.execute("SELECT 1")
    return conn


def fill(conn: Connection) -> None:
    """Notify until the queue is full."""
    for _ in range(1000):
        try:
            conn.execute("SELECT pg_notify('evtrack_alert', repeat('x', 7900))")
        except psycopg.errors.ProgramLimitExceeded:
            return
    pytest.fail("the queue took all")


def upkeep(conn: Connection) -> None:
    """Do the upkeep, as who has the turn."""
    one = Maintenance()
    one.has_turn = True
    one.work(conn, time.monotonic())


def notify(conn: Connection) -> None:
    """Notify, as any application does."""
    conn.execute("SELECT pg_notify('any', '')")


def test_the_session_that_keeps_the_queue_full_is_named(small_queue: str) -> None:
    with stuck(small_queue) as holder, connect(small_queue, purpose="test") as conn:
        fill(conn)
        wake_watchers(conn)
        told = evtrack("doctor", "--no-canary", "--dsn", small_queue)
        pid = holder.info.backend_pid
        assert f"process {pid} (forgotten) has had one open for" in " ".join(told.stdout.split())
        assert f"SELECT pg_terminate_backend({pid})" in told.stdout
        assert "the check failed" not in told.stdout
        with capture_logs() as logs:
            upkeep(conn)
        (line,) = [line for line in logs if line["event"] == "notify_queue_filling"]
        assert (pid, "forgotten") == (line["pid"], line["application"])
        assert line["used_pct"] > 90


@pytest.mark.parametrize("look", ["a wake-up", "the upkeep", "the doctor"])
def test_a_queue_that_nobody_keeps_full_is_emptied(small_queue: str, look: str) -> None:
    with connect(small_queue, purpose="test") as idle, connect(small_queue, purpose="test") as conn:
        idle.execute(LISTEN)
        with stuck(small_queue):
            fill(conn)
        list(idle.notifies(timeout=0.1))
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            notify(conn)
        if look == "a wake-up":
            wake_watchers(conn)
            assert any(notice.payload == "" for notice in idle.notifies(timeout=5, stop_after=1))
        elif look == "the upkeep":
            upkeep(conn)
        else:
            evtrack("doctor", "--no-canary", "--dsn", small_queue)
        notify(conn)

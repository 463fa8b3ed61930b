"""A database that does not answer stops neither limits nor signals nor the slots."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import Client
from evtrack.runtime.worker import supervisor
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.storage.connection.connect import connect
from polling import eventually
from workers import alive, running_worker, submit

pytestmark = pytest.mark.integration


@contextmanager
def locked(dsn: str, lock: str) -> Iterator[None]:
    """Hold a lock that a worker needs, as a migration or a forgotten psql does."""
    with connect(dsn, purpose="lock") as conn, conn.transaction():
        conn.execute(lock.encode())
        yield


def waits(queue: Client) -> bool:
    """Return whether a worker waits for a lock."""
    return bool(
        queue.one(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack worker'"
            " AND datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


def finished(queue: Client, job: int) -> bool:
    return bool(queue.one("SELECT phase = 'finished' FROM evtrack.job WHERE job_id = %s", job))


@pytest.mark.parametrize("lock", ["LOCK TABLE evtrack.batch", "LOCK TABLE evtrack.job"])
def test_a_limit_ends_a_batch_while_the_database_waits(queue: Client, dsn: str, tmp_path: Path, lock: str) -> None:
    trace = tmp_path / "trace"
    with running_worker(dsn, slots=2, only=["scripted"], limits=SlotLimits(timeout_s=1.0)):
        hanging = submit(queue, f'{{"do": "sleep once", "s": 60, "trace": "{trace}"}}')
        eventually(lambda: trace.exists() and trace.read_text())
        with locked(dsn, lock):
            pid = int(trace.read_text().split()[-1])
            eventually(lambda: not alive(pid), 5)
            eventually(lambda: waits(queue))
        eventually(lambda: finished(queue, hanging), 20)
    causes = queue.rows(
        "SELECT data ->> 'cause' AS cause FROM evtrack.event WHERE type = 'crashed' AND job_id = %s", hanging
    )
    assert [{"cause": "timeout"}] == causes


def test_a_stop_does_not_wait_for_the_database(queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LAST_REPORT_S", 3.0)
    submit(queue, *['{"do": "sleep", "s": 0.05}'] * 200)
    with running_worker(dsn, slots=1, only=["scripted"], grace_s=0.2) as one:
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'completed'") > 3)
        with locked(dsn, "LOCK TABLE evtrack.batch"):
            eventually(lambda: waits(queue))
            begun = time.monotonic()
            one.worker.stop()
            one.join(30)
            assert time.monotonic() - begun < 12
    # What it left to itself ends with the lock; here, and not with the process as usual.
    eventually(lambda: not any(thread.name == "evtrack-database" for thread in threading.enumerate()), 30)

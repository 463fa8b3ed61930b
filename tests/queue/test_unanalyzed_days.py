"""A day that is full and was never analyzed is still read by index."""

from collections.abc import Iterator

import pytest

from client import Claim, Client
from evtrack.storage.connection.connect import connect
from evtrack.storage.reports.batch_reports import latest_crashes
from evtrack.storage.retention.cleanup import prepare_session
from evtrack.storage.retention.day_reader import DayView
from old_jobs import days_ago
from plan_sessions import Session, grow, reads, without_autovacuum
from plans import explained, nodes
from servers import cloned

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def unanalyzed(admin_dsn: str, template: str) -> Iterator[Session]:
    """A new session in a day that is full, was never analyzed, and has batches that wait for a retry."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as own:
        without_autovacuum(own)
        client = Client(own)
        worker, job = client.worker(), client.job(1_500, backoff_s=0)
        grown = client.one("SELECT job_id FROM evtrack.create_job(%s)", client.handler)
        for _ in range(3):
            client.fail(worker, client.claim(worker, job, fresh=100))
        crashing = client.job(100, max_crashes=99, backoff_s=0)
        for number in range(8):
            client.crash(worker, client.claim(worker, crashing, fresh=100 if number == 0 else 0, returning=100))
        client.crash(worker, client.claim(worker, job, fresh=5, returning=0))
        grow(own, grown, worker, batches=30_000)
        # As claims do once in a while.
        own.execute("SELECT evtrack.raise_marks(ARRAY[%s::bigint])", [grown])
        with connect(dsn, purpose="test") as conn:
            client = Client(conn, client.handler)
            with explained(client) as plans:
                yield Session(client, worker, job, grown, plans)


@pytest.mark.parametrize("function", ["claim", "claimable"])
def test_what_is_due_is_found_by_its_index(unanalyzed: Session, function: str) -> None:
    client, worker, job, grown, _ = unanalyzed
    reads(unanalyzed)
    if function == "claim":
        client.claim(worker, grown, job, fresh=0, returning=10)
    else:
        client.rows("SELECT FROM evtrack.claimable(%s)", [client.handler])
    assert "batch" not in reads(unanalyzed)


def test_the_oldest_batch_that_waits_is_found_by_its_index(unanalyzed: Session) -> None:
    client, _, job, *_ = unanalyzed
    reads(unanalyzed)
    client.rows("SELECT evtrack.waiting_since(job_day, job_id) FROM evtrack.job WHERE job_id = %s", job)
    assert "batch" not in reads(unanalyzed)


def test_a_late_crash_is_looked_up_in_a_day_without_statistics(unanalyzed: Session) -> None:
    client, worker, _, grown, _ = unanalyzed
    reads(unanalyzed)
    client.crash(worker, [Claim(grown, number, 1) for number in range(100, 110)])
    assert "batch" not in reads(unanalyzed)


@pytest.mark.parametrize("asked", ["crashes of a job", "latest crashes"])
def test_the_batch_of_a_crash_is_looked_up_in_a_day_without_statistics(unanalyzed: Session, asked: str) -> None:
    reads(unanalyzed)
    if asked == "latest crashes":
        assert 5 == len(latest_crashes(unanalyzed.client.conn, span_s=3600.0, limit=5))
    else:
        assert 5 == len(unanalyzed.client.rows("SELECT * FROM evtrack.crash WHERE job_id = %s", unanalyzed.job))
    assert {"batch", "event"}.isdisjoint(reads(unanalyzed))


def test_items_of_a_day_without_statistics_are_looked_up_by_their_keys(unanalyzed: Session) -> None:
    reads(unanalyzed)
    unanalyzed.client.rows("SELECT * FROM evtrack.retry_items(%s, %s)", unanalyzed.grown, ["grown:3", "grown:5"])
    assert "payload" not in reads(unanalyzed)


def test_a_day_is_archived_in_the_order_of_its_index(unanalyzed: Session) -> None:
    conn = unanalyzed.client.conn
    prepare_session(conn)
    view = DayView(conn, days_ago(0))
    jobs = list(view.jobs())
    unanalyzed.plans.clear()
    assert 90_000 < sum(1 for _ in view.lines("events", jobs))
    conn.execute("RESET enable_sort")
    assert "Sort" not in {node["Node Type"] for plan in unanalyzed.plans for node in nodes(plan["Plan"])}

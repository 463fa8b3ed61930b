"""A database for each module; for each test a client with a handler name of its own, or a job of many fates."""

from collections.abc import Iterator

import pytest

from client import Client, cloned
from evtrack.storage.database import connect


@pytest.fixture(scope="module")
def shared_dsn(admin_dsn: str, template: str) -> Iterator[str]:
    """A migrated database that the module's tests share; their jobs keep them apart."""
    with cloned(admin_dsn, template) as dsn:
        yield dsn


@pytest.fixture
def client(shared_dsn: str) -> Iterator[Client]:
    """A session with the queue."""
    with connect(shared_dsn, purpose="test") as conn:
        yield Client(conn)


@pytest.fixture
def other(shared_dsn: str, client: Client) -> Iterator[Client]:
    """A second session, with the same handler."""
    with connect(shared_dsn, purpose="test") as conn:
        yield Client(conn, client.handler)


@pytest.fixture
def story(client: Client) -> int:
    """A job in which everything happens: 4 batches of 5 items.

    Batch 1 is completed. In batch 2 the items 7 and 9 fail and move to batch 5, which fails for good. Batch 3 crashes
    on item 12, which crashes again alone in batch 6; the others are completed in batch 7. Batch 4 fails once as a
    whole, comes back, and is running.
    """
    job, worker = client.job(4, items=5, max_errors=2, backoff_s=0), client.worker()
    one, two, three, four = client.claim(worker, job)
    client.complete(worker, [one], run_s=2.0, results=['{"a": 1}\n\n"three"\n\n5'])
    errors = [
        {"ordinal": 7, "key": "key:7", "type": "ValueError", "message": "no 7"},
        {"ordinal": 9, "key": "key:9", "type": "KeyError", "message": "no 9"},
    ]
    assert client.complete_partly(worker, two, "{[7,8),[9,10)}", results="1\n2\n3", errors=errors) == "ok"
    client.crash(worker, [three], cause="signal", signal="SIGSEGV", item_key="key:12", ordinal=12, run_s=0.5)
    client.fail(worker, [four], {"type": "ValueError", "message": "all of it"})
    back = {claim.batch_no: claim for claim in client.claim(worker, job, fresh=0)}
    assert {4, 5, 6, 7} == set(back)
    client.crash(worker, [back[6]], cause="exit_code", exit_code=7, pid=4711, peak_rss_bytes=2**20, cpu_s=0.25)
    client.complete(worker, [back[7]])
    client.fail(worker, [back[5]], {"type": "ValueError", "message": "no 7", "items": errors})
    return job

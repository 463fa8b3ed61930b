"""`evtrack watch`: each alert a line, by one of any number of watchers, whatever happens to them."""

import signal

import pytest

from client import Client
from evtrack.storage.database import Connection
from helpers import eventually
from watching import watching

pytestmark = pytest.mark.db


@pytest.fixture
def queue(conn: Connection) -> Client:
    return Client(conn, "obey")


def crash(queue: Client, job: int, worker: int, number: int = 1) -> None:
    """Let batches of a job crash, with an item in hand."""
    for claim in queue.claim(worker, job, fresh=number, returning=0):
        key = f"key:{2 * claim.batch_no}"
        assert ["split"] == queue.crash(
            worker, [claim], cause="signal", signal="SIGSEGV", item_key=key, ordinal=2 * claim.batch_no
        )


def test_what_crashed_while_nobody_watched_is_told_once_by_one(queue: Client, dsn: str) -> None:
    job, worker = queue.job(5, items=2), queue.worker()
    crash(queue, job, worker, 5)
    with watching(dsn) as first:
        eventually(lambda: len(first.lines) >= 5, 30)
        with watching(dsn) as second:
            eventually(lambda: second.logged("watching"), 30)
            crash(queue, queue.job(1, items=2), worker)
            eventually(lambda: len(first.lines) + len(second.lines) == 6, 30)
            assert 0 == second.end()
        assert 0 == first.end()
        told = sorted(first.lines + second.lines, key=lambda line: line["alert_id"])
    with watching(dsn) as third:
        eventually(lambda: third.logged("watching"), 30)
        assert 130 == third.end(signal.SIGINT)
        assert [] == third.lines
    assert 6 == len({line["alert_id"] for line in told})
    assert [(job, number) for number in range(1, 6)] == [(line["job_id"], line["batch_no"]) for line in told[:5]]
    assert {
        "event": "batch_crashed",
        "level": "warning",
        "job_id": job,
        "batch_no": 3,
        "handler": "obey",
        "attempt": 1,
        "cause": "signal",
        "signal": "SIGSEGV",
        "items": "key:5, key:6",
        "item_count": 2,
        "item_key": "key:6",
        "final": False,
        "next": f"evtrack show {job} 3",
    }.items() <= told[2].items()


def test_an_alert_is_told_as_it_happens(queue: Client, dsn: str) -> None:
    worker = queue.worker()
    # So seldom does it look by itself that only the wake-up can have told it.
    with watching(dsn, "--poll", "60") as one:
        eventually(lambda: one.logged("watching"), 30)
        for number in range(1, 4):
            crash(queue, queue.job(items=2), worker)
            eventually(lambda: len(one.lines) == number, 10)  # noqa: B023  asked at once

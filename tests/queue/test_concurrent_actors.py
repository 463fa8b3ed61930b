"""Crashing and lost workers, a reaper and a user who moves items, all at once: each item has one outcome."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import psycopg
import pytest

from client import Claim, Client
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BatchStatus
from evtrack.storage.connection.connect import connect
from suspects import Left, mark, marker, report_death

pytestmark = pytest.mark.integration

ITEMS = 240


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    """The session that submits and looks."""
    with connect(dsn, purpose="test") as conn:
        yield Client(conn)


def marked(client: Client, me: int, claim: Claim, dice: random.Random) -> Left:
    """Mark some items of a batch as done and one, or the whole batch, as in hand."""
    ordinals = list(client.batch(claim.job_id, claim.batch_no).ordinals)
    in_hand = dice.choice([0, *ordinals])
    done = [ordinal for ordinal in ordinals if ordinal != in_hand and dice.random() < 0.3]
    mark(client, me, claim, in_hand, done=min(done, default=None), exclusive=dice.random() < 0.5)
    return Left(claim, in_hand, done)


def report(client: Client, me: int, claim: Claim, dice: random.Random) -> None:
    """Report a batch in one of all ways, or not at all."""
    ordinals = list(client.batch(claim.job_id, claim.batch_no).ordinals)
    some = [ordinal for ordinal in ordinals if dice.random() < 0.3]
    dossier = {"cause": "signal"} | ({"ordinal": dice.choice(ordinals)} if dice.random() < 0.5 else {})
    end = dice.random()
    if end < 0.4:
        client.crash_with(me, [claim], [dossier], done=[str(Ordinals.of(some))])
    elif end < 0.6:
        client.fail(me, [claim])
    elif end < 0.7:
        client.requeue(me, [claim])
    elif end < 0.9:
        client.complete(me, [claim])


def worker(jobs: list[int], seed: int, deadline: float, *, marks: bool = False) -> Callable[[Client], int]:
    """Return a worker that reports all kinds of outcomes, and registers again when it was declared lost.

    One that marks the items of its batches also reports what it had in hand when it was declared lost.
    """

    def work(client: Client) -> int:
        register = partial(marker, client) if marks else client.worker
        dice, lost, me = random.Random(seed), 0, register()
        left: list[Left] = []
        while time.monotonic() < deadline:
            try:
                held = client.claim(me, *jobs, fresh=dice.randint(0, 5), returning=10)
            except psycopg.Error as error:
                if error.sqlstate != "EV006":
                    raise
                me, dead, lost = register(), me, lost + 1
                if marks:
                    report_death(client, dead, me, left)
                continue
            left = []
            dice.shuffle(held)
            for claim in held:
                if marks:
                    left.append(marked(client, me, claim, dice))
                report(client, me, claim, dice)
        return lost

    return work


def reaper(deadline: float) -> Callable[[Client], int]:
    """Return an actor that now and then declares a worker lost and reaps."""

    def reap(client: Client) -> int:
        batches = 0
        for turn in count():
            if time.monotonic() > deadline:
                return batches
            if turn % 10 == 0:
                client.conn.execute(
                    "UPDATE evtrack.worker SET seen_at = seen_at - interval '1 day' WHERE worker_id ="
                    " (SELECT min(worker_id) FROM evtrack.worker WHERE lost_at IS NULL)"
                )
            batches += sum(row["batches"] for row in client.rows("SELECT * FROM evtrack.reap()"))
        raise AssertionError

    return reap


def person(jobs: list[int], deadline: float) -> Callable[[Client], int]:
    """Return a user who retries items and quarantines some."""

    def decide(client: Client) -> int:
        dice, moved = random.Random(0), 0
        while time.monotonic() < deadline:
            keys = [f"key:{dice.randint(1, ITEMS)}" for _ in range(20)]
            call = "quarantine" if dice.random() < 0.05 else "retry_items"
            rows = client.rows(f"SELECT verdict FROM evtrack.{call}(%s, %s)", dice.choice(jobs), keys)
            moved += sum(row["verdict"] in {"retry", "quarantined"} for row in rows)
        return moved

    return decide


@pytest.mark.parametrize("seconds", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_every_item_has_one_outcome_under_concurrent_actors(dsn: str, client: Client, seconds: int) -> None:
    jobs = [client.job(ITEMS // 12, items=12, max_errors=2, max_crashes=2, backoff_s=0) for _ in range(3)]
    deadline = time.monotonic() + seconds
    bodies = [
        worker(jobs, 1, deadline),
        worker(jobs[::-1], 2, deadline),
        worker(jobs, 3, deadline, marks=True),
        worker(jobs[::-1], 4, deadline, marks=True),
        reaper(deadline),
        person(jobs, deadline),
    ]

    def run(body: Callable[[Client], int]) -> int:
        with connect(dsn, purpose="test") as conn:
            return body(Client(conn, client.handler))

    client.run_steadily()
    with ThreadPoolExecutor(len(bodies)) as pool:
        *lost, batches, moved = [future.result(240) for future in [pool.submit(run, body) for body in bodies]]
    assert sum(lost[:2]) > 0
    assert sum(lost[2:]) > 0
    assert batches > 0
    assert moved > 0
    client.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 day' WHERE lost_at IS NULL")
    client.run_steadily()
    client.rows("SELECT * FROM evtrack.reap()")
    last = client.worker()
    while claims := client.claim(last, *jobs):
        client.complete(last, claims)
    for job in jobs:
        assert client.one("SELECT evtrack.finish_due(%s)", job) is True
        batches_left = [b for b in client.batches(job).values() if b.status is not BatchStatus.SPLIT]
        together = sorted(ordinal for batch in batches_left for ordinal in batch.ordinals)
        assert list(range(1, ITEMS + 1)) == together
        fates = client.rows("SELECT ordinal FROM evtrack.item_status WHERE job_id = %s ORDER BY 1", job)
        assert together == [row["ordinal"] for row in fates]
        client.check(job)

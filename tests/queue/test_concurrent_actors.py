"""Crashing and lost workers, a reaper and a user who moves items, all at once: each item has one outcome."""

import random
import time
from collections import Counter
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


class Turmoil:
    """What the actors have done so far; it is over after a time, and not before all of them have done something.

    Args:
        seconds: How long it lasts at least.
    """

    KINDS = ("lost", "lost with marks", "reaped", "moved")

    def __init__(self, seconds: float) -> None:
        self._least = time.monotonic() + seconds
        self._most = self._least + 60
        self.done: Counter[str] = Counter()

    def goes_on(self) -> bool:
        """Whether the actors go on."""
        now = time.monotonic()
        return now < self._least or (now < self._most and not all(self.done[kind] for kind in self.KINDS))


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


def worker(jobs: list[int], seed: int, turmoil: Turmoil, *, marks: bool = False) -> Callable[[Client], None]:
    """Return a worker that reports all kinds of outcomes, and registers again when it was declared lost.

    One that marks the items of its batches also reports what it had in hand when it was declared lost.
    """

    def work(client: Client) -> None:
        register = partial(marker, client) if marks else client.worker
        dice, me = random.Random(seed), register()
        left: list[Left] = []
        while turmoil.goes_on():
            try:
                held = client.claim(me, *jobs, fresh=dice.randint(0, 5), returning=10)
            except psycopg.Error as error:
                if error.sqlstate != "EV006":
                    raise
                me, dead = register(), me
                turmoil.done["lost with marks" if marks else "lost"] += 1
                if marks:
                    report_death(client, dead, me, left)
                continue
            left = []
            dice.shuffle(held)
            for claim in held:
                if marks:
                    left.append(marked(client, me, claim, dice))
                report(client, me, claim, dice)

    return work


def reaper(turmoil: Turmoil) -> Callable[[Client], None]:
    """Return an actor that now and then declares a worker lost and reaps."""

    def reap(client: Client) -> None:
        for turn in count():
            if not turmoil.goes_on():
                return
            if turn % 10 == 0:
                client.conn.execute(
                    "UPDATE evtrack.worker SET seen_at = seen_at - interval '1 day' WHERE worker_id ="
                    " (SELECT min(worker_id) FROM evtrack.worker WHERE lost_at IS NULL)"
                )
            turmoil.done["reaped"] += sum(row["batches"] for row in client.rows("SELECT * FROM evtrack.reap()"))

    return reap


def person(jobs: list[int], turmoil: Turmoil) -> Callable[[Client], None]:
    """Return a user who retries items and quarantines some."""

    def decide(client: Client) -> None:
        dice = random.Random(0)
        while turmoil.goes_on():
            keys = [f"key:{dice.randint(1, ITEMS)}" for _ in range(20)]
            call = "quarantine" if dice.random() < 0.05 else "retry_items"
            rows = client.rows(f"SELECT verdict FROM evtrack.{call}(%s, %s)", dice.choice(jobs), keys)
            turmoil.done["moved"] += sum(row["verdict"] in {"retry", "quarantined"} for row in rows)

    return decide


@pytest.mark.parametrize("seconds", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_every_item_has_one_outcome_under_concurrent_actors(dsn: str, client: Client, seconds: int) -> None:
    jobs = [client.job(ITEMS // 12, items=12, max_errors=2, max_crashes=2, backoff_s=0) for _ in range(3)]
    turmoil = Turmoil(seconds)
    bodies = [
        worker(jobs, 1, turmoil),
        worker(jobs[::-1], 2, turmoil),
        worker(jobs, 3, turmoil, marks=True),
        worker(jobs[::-1], 4, turmoil, marks=True),
        reaper(turmoil),
        person(jobs, turmoil),
    ]

    def run(body: Callable[[Client], None]) -> None:
        with connect(dsn, purpose="test") as conn:
            body(Client(conn, client.handler))

    client.run_steadily()
    with ThreadPoolExecutor(len(bodies)) as pool:
        for future in [pool.submit(run, body) for body in bodies]:
            future.result(240)
    assert set(Turmoil.KINDS) == set(+turmoil.done)
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

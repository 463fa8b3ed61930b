"""Two workers at once: nothing runs twice or is lost, no deadlock, and the last one finishes the job."""

import os
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from client import Claim, Client
from evtrack.storage.connection.connect import connect
from polling import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    """The session that submits and looks."""
    with connect(dsn, purpose="test") as conn:
        yield Client(conn)


def at_once(dsn: str, client: Client, *bodies: Callable[[Client], None]) -> None:
    """Run each body in a thread with a session of its own, and raise what any of them raised."""

    def run(body: Callable[[Client], None]) -> None:
        with connect(dsn, purpose="test worker") as conn:
            body(Client(conn, client.handler))

    with ThreadPoolExecutor(len(bodies)) as pool:
        for future in [pool.submit(run, body) for body in bodies]:
            future.result(240)


def drain(job_ids: list[int], done: list[Claim], *, group: int = 7) -> Callable[[Client], None]:
    """Return a worker that claims and completes until two claims in a row are empty."""

    def work(client: Client) -> None:
        worker, empty = client.worker(), 0
        while empty < 2:
            claims = client.claim(worker, *job_ids, fresh=group, returning=group)
            empty = 0 if claims else empty + 1
            assert ["ok"] * len(claims) == client.complete(worker, claims)
            done.extend(claims)

    return work


def test_two_workers_never_run_a_batch_twice(dsn: str, client: Client) -> None:
    jobs = [client.job(300), client.job(200)]
    done: list[Claim] = []
    at_once(dsn, client, drain(jobs, done), drain(jobs[::-1], done), drain(jobs, done, group=1))
    assert {Claim(jobs[0], number, 1) for number in range(1, 301)} | {
        Claim(jobs[1], number, 1) for number in range(1, 201)
    } == set(done)
    assert 500 == len(done)
    assert all(client.one("SELECT evtrack.finish_due(%s)", job) for job in jobs)
    client.check(*jobs)


def quarrel(jobs: list[int], order: int, deadline: float, ran: Counter[Claim]) -> Callable[[Client], None]:
    """Return a worker that claims and reports in its own order, even batches it no longer holds, until the deadline."""

    def work(client: Client) -> None:
        dice, worker = random.Random(order), client.worker()
        held: list[Claim] = []
        while time.monotonic() < deadline:
            claims = client.claim(worker, *jobs[::order], fresh=10, returning=20)
            ran.update(claims)
            held = sorted(held + claims, reverse=order < 0)
            for report in (client.fail, client.crash, client.requeue, client.complete):
                # Completing is rare, so that there is something to run until the end.
                share = [claim for claim in held if dice.random() < (0.002 if report == client.complete else 0.3)]
                assert {"retry", "split", "ok"} >= set(report(worker, share))
                held = [claim for claim in held if claim not in share]
            # What others hold by now: refused one by one, and locked all the same.
            stray = [claim._replace(attempt=1) for claim in list(ran)[-20:] if claim not in held]
            client.complete(worker, sorted(stray, reverse=order < 0))
            client.reconcile(worker, held)
        client.requeue(worker, held)

    return work


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_opposite_orders_do_not_deadlock(dsn: str, client: Client, seconds: int) -> None:
    jobs = [client.job(40, items=3, max_errors=9999, max_crashes=9999, backoff_s=0) for _ in range(3)]
    deadline = time.monotonic() + seconds
    ran: Counter[Claim] = Counter()

    def person(client: Client) -> None:
        while time.monotonic() < deadline:
            for job in jobs[::-1]:
                for call in ("suspend", "resume", "finish_due"):
                    client.one(f"SELECT evtrack.{call}(%s)", job)

    at_once(dsn, client, quarrel(jobs, 1, deadline, ran), quarrel(jobs, -1, deadline, ran), person)
    assert ran.total() > 20 * seconds
    assert 1 == max(ran.values()), "an attempt was given out twice"
    for job in jobs:
        statuses = [str(batch.status) for batch in client.batches(job).values()]
        assert {"completed", "pending", "split"} >= set(statuses)
        assert 40 <= len(statuses) <= 5 * 40, "a batch of three items splits into five at most, itself among them"
    rest: list[Claim] = []
    drain(jobs, rest)(client)
    for job in jobs:
        client.one("SELECT evtrack.finish_due(%s)", job)
        assert "finished" == client.phase(job)
    client.check(*jobs)


@pytest.mark.parametrize("rounds", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_two_last_batches_completed_at_once_finish_the_job(dsn: str, client: Client, rounds: int) -> None:
    jobs = [client.job(2) for _ in range(rounds)]
    barrier = Barrier(2)
    finished: list[int] = []

    def work(client: Client) -> None:
        worker = client.worker()
        for job in jobs:
            # Of two claims that meet at a batch one goes empty, and asks again.
            claims = eventually(lambda job=job: client.claim(worker, job, fresh=1), every_s=0.001)
            barrier.wait(30)
            assert ["ok"] == client.complete(worker, claims)
            if client.one("SELECT evtrack.finish_due(%s)", job):
                finished.append(job)

    at_once(dsn, client, work, work)
    assert Counter(jobs) == Counter(finished)
    assert rounds == client.one("SELECT count(*) FROM evtrack.job WHERE phase = 'finished'")
    assert rounds == client.one("SELECT count(*) FROM evtrack.event WHERE type = 'finished'")
    client.check(*jobs[:20])


def test_a_later_small_job_is_not_delayed(client: Client) -> None:
    large = client.job(3000)
    worker = client.worker()
    marks: dict[int, int] = {}

    def step() -> list[Claim]:
        """Run one round of a worker that refreshes its list of jobs."""
        rows = client.rows(
            "SELECT job_id, mark FROM evtrack.claimable(%s, %s::bigint[], %s::int[])",
            [client.handler],
            list(marks),
            list(marks.values()),
        )
        marks.update({row["job_id"]: row["mark"] for row in rows if row["mark"]})
        claims = client.claim(worker, *[row["job_id"] for row in rows], fresh=20)
        client.complete(worker, claims)
        return claims

    for _ in range(5):
        assert {large} == {claim.job_id for claim in step()}
    small = client.job(15)
    assert 10 == sum(claim.job_id == small for claim in step())
    assert 5 == sum(claim.job_id == small for claim in step())
    assert client.one("SELECT evtrack.finish_due(%s)", small) is True
    assert 2800 < client.sums(large)["pending"][0]


def test_a_claim_with_a_lost_answer_is_requeued(dsn: str, client: Client) -> None:
    job, worker = client.job(3), client.worker()
    (kept,) = client.claim(worker, job, fresh=1)
    lost = connect(dsn, purpose="test")
    lost.pgconn.send_query_params(
        b"SELECT * FROM evtrack.claim($1, ARRAY[$2]::bigint[], '{0}', 10, ARRAY[$3], 10)",
        [str(worker).encode(), str(job).encode(), client.handler.encode()],
    )
    lost.pgconn.flush()
    # Committed, but the answer stays in the socket, which is closed unread.
    eventually(lambda: client.sums(job)["running"] == (3, 3))
    with socket.socket(fileno=os.dup(lost.pgconn.socket)) as cut:
        cut.shutdown(socket.SHUT_RDWR)
    lost.close()
    assert {(kept, "held"), (Claim(job, 2, 1), "requeued"), (Claim(job, 3, 1), "requeued")} == set(
        client.reconcile(worker, [kept])
    )
    assert (1, 1) == client.sums(job)["running"]
    assert {2, 3} == {claim.batch_no for claim in client.claim(worker, job)}
    client.check(job)


def test_a_worker_that_dies_between_claim_and_commit_leaves_nothing(dsn: str, client: Client) -> None:
    job, worker = client.job(3), client.worker()
    dying = connect(dsn, purpose="test")
    dying.execute("BEGIN")
    assert 3 == len(Client(dying, client.handler).claim(worker, job))
    dying.close()
    eventually(lambda: len(client.claim(worker, job)) == 3)
    assert 1 == client.batch(job).attempt
    client.check(job)

"""Errors of the server by class, at each call of a worker: everything is kept or found, none is lost, nobody is blamed.

The errors are real: functions of the schema raise them for a while.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from client import Client
from evtrack.domain.database_errors import StorageError
from polling import eventually
from refusing import RefusedCalls
from workers import WorkerThread, running_worker, submit

pytestmark = [pytest.mark.integration, pytest.mark.crash]

# One or two of each class that is about the server, the call, or not clear: connection, state of the transaction,
# authorization, database name, rollback, resources, state of an object, operator, system, configuration, internal.
PASSING = (
    *("08006", "25006", "25P02", "28000", "3D000", "40001", "40P01", "42501", "42883", "53100", "53200", "53300"),
    *("55000", "55P03", "57014", "57P01", "58030", "F0000", "XX000", "XX001"),
)
# Data exception, constraint, check of a view, limit of the program, a trigger's RAISE, evtrack's own.
DATA = ("21000", "22021", "22P02", "23514", "44000", "54000", "P0001", "EV007")

OK = {"return": 1}
WORK: dict[str, list[list[dict[str, Any]]]] = {
    "claimable": [[OK]],
    "exchange": [[OK]] * 5,
    "complete_with_failures": [[OK, {"do": "raise once"}]] * 2,
    "fail": [[{"do": "raise once"}]] * 2,
    "crash": [[{"do": "crash once"}], [OK]],
    "finish_jobs": [[OK]],
}


def work(queue: Client, batches: list[list[dict[str, Any]]]) -> int:
    """Submit a job of several batches, whose items are tried again at once."""
    items = [json.dumps(item) for batch in batches for item in batch]
    return submit(queue, *items, batch_size=len(batches[0]), backoff_s=0.001, max_errors=20, max_crashes=20)


def until_over(queue: Client, one: WorkerThread, calls: RefusedCalls, batches: list[list[dict[str, Any]]]) -> list[int]:
    """Submit jobs until all errors were raised, and return them once all have finished."""
    jobs: list[int] = []

    def is_over() -> bool:
        assert one.error is None
        jobs.append(work(queue, batches))
        return calls.are_over

    eventually(is_over, 60, every_s=0.05)
    eventually(lambda: unfinished(queue) == 0, 60)
    return jobs


def unfinished(queue: Client) -> int:
    return int(queue.one("SELECT count(*) FROM evtrack.job WHERE phase <> 'finished'"))


def words(queue: Client) -> int:
    """Return how many events have the words of the injected error."""
    return int(queue.one("SELECT count(*) FROM evtrack.event WHERE data::text LIKE '%injected%'"))


def types(queue: Client, *names: str) -> int:
    return int(queue.one("SELECT count(*) FROM evtrack.event WHERE type::text = ANY(%s)", list(names)))


@pytest.mark.parametrize("call", WORK)
def test_an_error_of_the_server_costs_no_outcome_and_blames_nobody(queue: Client, dsn: str, call: str) -> None:
    calls = RefusedCalls(queue, call, PASSING)
    with running_worker(dsn, slots=2, only=["scripted"]) as one:
        jobs = until_over(queue, one, calls, WORK[call])
        assert 1 == queue.one("SELECT count(*) FROM evtrack.worker"), "it was never lost"
    assert 0 == words(queue)
    items = len(jobs) * sum(len(batch) for batch in WORK[call])
    assert items == queue.one("SELECT sum(done) FROM evtrack.job_status")
    again = {"fail": 2, "complete_with_failures": 2, "crash": 1}.get(call, 0)
    assert again * len(jobs) == types(queue, "failed", "crashed"), "nothing failed or crashed but what did"


@pytest.mark.parametrize("call", ["exchange", "complete_with_failures", "fail", "crash"])
def test_an_outcome_that_is_refused_is_found_and_the_others_are_kept(queue: Client, dsn: str, call: str) -> None:
    calls = RefusedCalls(queue, call, DATA)
    with running_worker(dsn, slots=2, only=["scripted"]) as one:
        jobs = until_over(queue, one, calls, WORK[call])
    items = len(jobs) * sum(len(batch) for batch in WORK[call])
    assert items == queue.one("SELECT sum(done) FROM evtrack.job_status"), "each ran again where it had to"
    assert 0 == types(queue, "late_result")
    assert words(queue) <= len(DATA), "a refused outcome is a failure with the words of the database"


def stop(queue: Client, one: WorkerThread) -> None:
    one.worker.stop()
    one.join()
    assert 0 == queue.one("SELECT count(*) FROM evtrack.batch WHERE status = 'running'")
    assert "stopped" == queue.one("SELECT state FROM evtrack.worker_status")


@pytest.mark.parametrize("sqlstates", [("25006", "53100", "57P03", "55P03", "XX000"), ("22P02", "P0001")])
def test_batches_are_given_back_whatever_the_server_says(queue: Client, dsn: str, sqlstates: tuple[str, ...]) -> None:
    calls = RefusedCalls(queue, "requeue", sqlstates, every=1)
    work(queue, [[{"do": "sleep", "s": 0.05}]] * 200)
    with running_worker(dsn, slots=1, only=["scripted"]) as one:
        # By then it knows how long they take, and holds several.
        eventually(lambda: types(queue, "started") > types(queue, "completed") + 4)
        stop(queue, one)
    assert calls.are_over
    assert 0 == types(queue, "failed", "crashed")


def test_the_marks_of_suspects_wait_until_the_server_takes_them(queue: Client, dsn: str) -> None:
    calls = RefusedCalls(queue, "mark_items", PASSING)
    work(queue, [[OK] * 4] * 12)
    queue.conn.execute("UPDATE evtrack.batch SET isolation = 'marked', fresh = false, run_at = clock_timestamp()")
    with running_worker(dsn, slots=2, only=["scripted"]):
        eventually(lambda: unfinished(queue) == 0, 60)
    assert calls.are_over
    assert (0, 48) == (types(queue, "failed", "crashed"), queue.one("SELECT sum(done) FROM evtrack.job_status"))


def test_what_was_claimed_is_reconciled_when_the_server_allows_it(queue: Client, dsn: str) -> None:
    claims = RefusedCalls(queue, "exchange", ["40001"])
    calls = RefusedCalls(queue, "reconcile", ("08006", "25006", "53100", "55P03", "XX000", "22P02"), every=1)
    with running_worker(dsn, slots=2, only=["scripted"]) as one:
        until_over(queue, one, claims, [[OK]] * 3)
    assert calls.are_over
    assert 0 == types(queue, "failed", "crashed", "requeued")


@pytest.mark.slow
@pytest.mark.parametrize("call", ["heartbeat", "reap"])
def test_upkeep_that_is_refused_makes_no_live_worker_lost(queue: Client, dsn: str, call: str) -> None:
    calls = RefusedCalls(queue, call, ("25006", "53100", "55P03", "XX000", "22P02"))
    with running_worker(dsn, slots=1, lease_s=3.0, only=["scripted"]) as one:
        until_over(queue, one, calls, [[OK]])
        assert 1 == queue.one("SELECT count(*) FROM evtrack.worker WHERE lost_at IS NULL")


def test_a_worker_registers_again_when_the_server_lets_it(queue: Client, dsn: str) -> None:
    job = work(queue, [[OK]])
    with running_worker(dsn, slots=1, only=["scripted"]):
        eventually(lambda: queue.one("SELECT phase::text FROM evtrack.job WHERE job_id = %s", job) == "finished")
        calls = RefusedCalls(queue, "register_worker", ("25006", "53300", "42501", "XX000", "22P02"), every=1)
        queue.conn.execute("UPDATE evtrack.worker SET lost_at = clock_timestamp()")
        work(queue, [[OK]])
        eventually(lambda: unfinished(queue) == 0, 30)
    assert calls.are_over


def test_a_command_that_begins_says_at_once_what_is_wrong(queue: Client, dsn: str) -> None:
    RefusedCalls(queue, "register_worker", ["XX000"])
    with pytest.raises(StorageError, match="injected"), running_worker(dsn, only=["scripted"]) as one:
        one.join()


def forget_worker(queue: Client) -> None:
    """Make the database forget the worker, as a failover that lost its registration does."""
    queue.conn.execute("SET session_replication_role = replica")
    queue.conn.execute("UPDATE evtrack.worker SET worker_id = worker_id + 1")
    queue.conn.execute("SET session_replication_role = origin")
    queue.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'evtrack worker'"
        " AND datname = current_database()"
    )


def declare_lost(queue: Client) -> None:
    queue.conn.execute("UPDATE evtrack.worker SET lost_at = clock_timestamp() WHERE lost_at IS NULL")


@pytest.mark.parametrize("lose", [forget_worker, declare_lost])
def test_a_worker_that_the_database_does_not_know_registers_again(
    queue: Client, dsn: str, lose: Callable[[Client], None]
) -> None:
    with running_worker(dsn, slots=1, lease_s=3.0, only=["scripted"]) as one:
        job = work(queue, [[OK]])
        eventually(lambda: queue.one("SELECT phase::text FROM evtrack.job WHERE job_id = %s", job) == "finished")
        lose(queue)
        job = work(queue, [[OK]])
        eventually(lambda: queue.one("SELECT phase::text FROM evtrack.job WHERE job_id = %s", job) == "finished", 20)
        assert one.error is None
        assert 2 == queue.one("SELECT count(*) FROM evtrack.worker")

"""Workers on a real queue: every batch is done once, in its turn, and recorded."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from client import Client
from evtrack.domain.stored_event import StoredEvent
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.results import results
from polling import eventually
from workers import drain, running_worker, statuses, submit

pytestmark = pytest.mark.integration


def told(events: list[StoredEvent]) -> list[str]:
    return [str(stored.event.type) for stored in events]


def test_every_batch_is_enqueued_started_completed_and_the_job_finishes(queue: Client, dsn: str) -> None:
    job = submit(queue, *["{}"] * 700, batch_size=50)
    drain(dsn, slots=2)
    assert {"completed": 14} == statuses(queue, job)
    assert "finished" == queue.phase(job)
    events = queue.rows(
        "SELECT batch_no, array_agg(type::text ORDER BY version) AS types, array_agg(version ORDER BY version) AS v"
        " FROM evtrack.event WHERE job_id = %s AND batch_no > 0 GROUP BY 1",
        job,
    )
    assert 14 == len(events)
    assert all((["enqueued", "started", "completed"], [1, 2, 3]) == (row["types"], row["v"]) for row in events)


def test_results_come_in_the_order_of_the_source(queue: Client, dsn: str, conn: Connection) -> None:
    items = [f'{{"return": {n}}}' if n % 3 else "{}" for n in range(100)]
    items[10] = '{"return": 10, "do": "raise once"}'
    job = submit(queue, *items, batch_size=7, backoff_s=0.01)
    with running_worker(dsn, slots=2, until_job=job) as one:
        one.join()
    assert [str(n) for n in range(100) if n % 3] == [row.result for row in results(conn, job)]
    assert ["k2", "k3", "k5"] == [row.item_key for row in results(conn, job)][:3]


def test_items_that_fail_move_to_a_batch_of_their_own_and_run_again(queue: Client, dsn: str) -> None:
    job = submit(
        queue,
        '{"return": 1}',
        '{"do": "raise once", "return": 2}',
        '{"do": "raise"}',
        batch_size=3,
        max_errors=2,
        backoff_s=0.01,
    )
    with running_worker(dsn, until_job=job) as one:
        one.join()
    items = queue.rows("SELECT item_key, status::text, error FROM evtrack.item_status WHERE job_id = %s", job)
    assert {"k1": "completed", "k2": "completed", "k3": "failed"} == {row["item_key"]: row["status"] for row in items}
    assert ["completed"] == list(told(queue.events(job, 1)))[-1:]


def test_a_handler_that_raises_is_retried_until_its_budget_is_spent(queue: Client, dsn: str) -> None:
    job = submit(queue, '{"do": "raise"}', max_errors=3, backoff_s=0.01)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    events = queue.events(job, 1)
    expected = ["enqueued", *["started", "failed", "requeued"] * 2, "started", "failed"]
    assert expected == told(events)
    (last,) = [
        row["data"]
        for row in queue.rows(
            "SELECT data FROM evtrack.event WHERE job_id = %s AND batch_no = 1 ORDER BY version DESC LIMIT 1", job
        )
    ]
    assert ("ValueError", "no \\0 to k1") == (last["error"]["type"], last["error"]["message"])
    assert [{"ordinal": 1, "key": "k1"}] == [
        {name: item[name] for name in ("ordinal", "key")} for item in last["error"]["items"]
    ]


def test_a_crash_is_recorded_with_its_item_and_the_rest_completes(queue: Client, dsn: str, conn: Connection) -> None:
    job = submit(queue, *['{"return": 1}'] * 6, '{"do": "segv"}', *['{"return": 1}'] * 13, batch_size=2, max_crashes=2)
    with running_worker(dsn, slots=2, until_job=job) as one:
        one.join()
    assert {"completed": 10, "crashed": 1, "split": 1} == statuses(queue, job)
    crashes = queue.rows("SELECT batch_no, attempt, cause, signal, item_key FROM evtrack.crash ORDER BY attempt")
    expected = [(number, attempt, "signal", "SIGSEGV", "k7") for number, attempt in ((4, 1), (11, 2))]
    assert expected == [tuple(row.values()) for row in crashes]
    assert 19 == len(list(results(conn, job)))


def test_a_crash_is_committed_quickly_and_the_slot_replaced(queue: Client, dsn: str) -> None:
    with running_worker(dsn, slots=1):
        job = submit(queue, '{"do": "crash once", "return": 1}')
        eventually(lambda: queue.phase(job) == "finished", every_s=0.005)
    assert ["enqueued", "started", "crashed", "requeued", "started", "completed"] == told(queue.events(job, 1))


def test_two_workers_run_no_batch_twice(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with running_worker(dsn, slots=2), running_worker(dsn, slots=2):
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 2)
        job = submit(queue, *[f'{{"trace": "{trace}", "do": "sleep", "s": 0.001}}'] * 1000)
        eventually(lambda: queue.phase(job) == "finished", 30)
    runs = Counter(line.split()[0] for line in trace.read_text().splitlines())
    assert {f"k{n}": 1 for n in range(1, 1001)} == dict(runs)
    workers = queue.rows("SELECT worker_id, count(*) FROM evtrack.batch GROUP BY 1")
    assert 2 == len(workers), "both had a share"


def test_a_later_small_job_is_not_delayed_by_a_large_one(queue: Client, dsn: str) -> None:
    large = submit(queue, *['{"do": "sleep", "s": 0.005}'] * 3000)
    with running_worker(dsn):
        eventually(lambda: statuses(queue, large).get("completed", 0) > 20)
        small = submit(queue, *['{"do": "sleep", "s": 0.005}'] * 10)
        eventually(lambda: queue.phase(small) == "finished")
        assert statuses(queue, large)["pending"] > 1500


def test_a_higher_priority_goes_first(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    low = submit(queue, *[f'{{"trace": "{trace}"}}'] * 5, priority=1)
    high = submit(queue, *[f'{{"trace": "{trace}"}}'] * 5, priority=2)
    drain(dsn)
    order = [int(line.split()[1]) for line in trace.read_text().splitlines()]
    assert [high] * 5 + [low] * 5 == order


def test_suspending_takes_effect_at_once_and_resuming_too(queue: Client, dsn: str) -> None:
    job = submit(queue, *['{"do": "sleep", "s": 0.02}'] * 500)
    with running_worker(dsn):
        eventually(lambda: statuses(queue, job).get("completed", 0) > 5)
        queue.one("SELECT evtrack.suspend(%s)", job)
        eventually(lambda: "running" not in statuses(queue, job))
        before = statuses(queue, job)
        time.sleep(0.3)
        assert before == statuses(queue, job)
        queue.one("SELECT evtrack.resume(%s)", job)
        eventually(lambda: statuses(queue, job)["completed"] > before["completed"])


def test_an_idle_worker_starts_new_work_before_its_next_poll(queue: Client, dsn: str) -> None:
    with running_worker(dsn):
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker WHERE busy = 0") == 1)
        took = []
        for _ in range(5):
            time.sleep(0.15)
            job = submit(queue, "{}")
            began = time.monotonic()
            eventually(lambda job=job: queue.phase(job) == "finished", every_s=0.002)
            took.append(time.monotonic() - began)
        assert sorted(took)[2] < 0.3, f"a poll would take a second; took {took}"


def test_a_worker_claims_only_batches_of_its_handlers(queue: Client, dsn: str) -> None:
    foreign = submit(queue, "{}", handler="os.system")
    mine = submit(queue, "{}")
    drain(dsn)
    assert ("sealed", "finished") == (queue.phase(foreign), queue.phase(mine))
    chosen = submit(queue, "{}", handler="echo")
    drain(dsn, only=["scripted"])
    assert "sealed" == queue.phase(chosen)


@pytest.mark.parametrize(
    ("limit", "item", "cause"),
    [
        ({"timeout_s": 0.3}, '{"do": "beat", "s": 60}', "timeout"),
        ({"stall_s": 0.3}, '{"do": "sleep", "s": 60}', "stalled"),
        ({"max_rss_bytes": 100 << 20}, '{"do": "leak"}', "memory_limit"),
    ],
)
def test_a_batch_over_a_limit_of_its_job_is_killed_and_says_which(
    queue: Client, dsn: str, limit: dict[str, Any], item: str, cause: str
) -> None:
    job = submit(queue, item, max_crashes=1, **limit)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    (crash,) = queue.rows("SELECT cause, signal, item_key FROM evtrack.crash")
    assert {"cause": cause, "signal": "SIGTERM", "item_key": "k1"} == crash


def test_a_long_item_with_heartbeats_is_not_reported_as_stalled(queue: Client, dsn: str) -> None:
    job = submit(queue, '{"do": "beat", "s": 1.0}', stall_s=0.4, max_crashes=1)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    assert {"completed": 1} == statuses(queue, job)


def test_a_slot_is_replaced_after_its_number_of_batches(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[f'{{"trace": "{trace}"}}'] * 20)
    with running_worker(dsn, until_job=job, max_batches=5) as one:
        one.join()
    assert {"completed": 20} == statuses(queue, job)
    batches_by_pid = Counter(line.split()[4] for line in trace.read_text().splitlines())
    assert [5, 5, 5, 5] == sorted(batches_by_pid.values())
    assert [] == queue.rows("SELECT * FROM evtrack.crash")


def test_a_stopped_worker_requeues_waiting_batches_and_finishes_running_ones(
    queue: Client, dsn: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, *[f'{{"do": "sleep", "s": 0.4, "trace": "{trace}"}}'] * 4)
    with running_worker(dsn, grace_s=10) as one:
        # Not only claimed: what has not begun is given back.
        eventually(trace.exists)
        one.worker.stop()
        one.join()
    found = statuses(queue, job)
    assert ({"completed", "pending"}, 4) == (set(found), sum(found.values()))
    assert [] == queue.rows("SELECT * FROM evtrack.crash")
    assert 1 == queue.one("SELECT count(*) FROM evtrack.worker WHERE stopped_at IS NOT NULL")


def test_a_batch_that_outlasts_the_grace_period_is_requeued_and_not_crashed(queue: Client, dsn: str) -> None:
    job = submit(queue, '{"do": "sleep", "s": 60}')
    with running_worker(dsn, grace_s=0.2) as one:
        eventually(lambda: "running" in statuses(queue, job))
        one.worker.stop()
        one.join()
    assert ["enqueued", "started", "requeued"] == told(queue.events(job, 1))
    assert "stopping" == queue.events(job, 1)[2].event.reason


def test_a_worker_declared_lost_kills_its_slots_and_registers_again(queue: Client, dsn: str) -> None:
    job = submit(queue, '{"do": "sleep", "s": 1.0, "return": 1}')
    with running_worker(dsn, lease_s=0.3):
        eventually(lambda: "running" in statuses(queue, job))
        first = queue.one("SELECT worker_id FROM evtrack.worker")
        queue.one("UPDATE evtrack.worker SET lost_at = now() WHERE worker_id = %s RETURNING 1", first)
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 2)
        second = submit(queue, "{}")
        eventually(lambda: queue.phase(second) == "finished")
    assert ["enqueued", "started"] == told(queue.events(job, 1)), "what it was doing is for the reaper to tell"


def test_a_slot_that_violates_the_protocol_is_killed_and_its_batch_crashes(queue: Client, dsn: str) -> None:
    job = submit(queue, '{"do": "babble"}', max_crashes=1)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    (crash,) = queue.rows("SELECT cause, item_key FROM evtrack.crash")
    assert {"cause": "protocol", "item_key": "k1"} == crash


def test_a_slot_that_closes_its_channel_is_reported(queue: Client, dsn: str) -> None:
    job = submit(queue, '{"do": "close"}', max_crashes=1)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    (crash,) = queue.rows("SELECT cause, item_key FROM evtrack.crash")
    assert {"cause": "pipe_closed", "item_key": "k1"} == crash

"""The upkeep: one has the turn, nobody can hold it up, no heartbeat waits for it, and no clock misleads it."""

import time

import pytest

from client import Client
from evtrack.runtime import maintenance
from evtrack.runtime.maintenance import Maintenance
from evtrack.storage.connection.connect import connect
from evtrack.storage.queue.upkeep_turn import UpkeepTurn, upkeep_turn
from evtrack.storage.queue.workers import heartbeat, lock_worker
from polling import eventually
from reaping import age, step
from workers import running_worker

pytestmark = pytest.mark.integration

MARK = 123_456_789_012


def look(client: Client, reaper: int = MARK, elapsed: str | None = "0.4 s", grace: str = "5 s") -> list[int]:
    """Look as a reaper that takes turns, and return who was lost."""
    rows = client.rows("SELECT * FROM evtrack.reap(%s, '30 s', %s, %s)", grace, reaper, elapsed)
    return [row["worker_id"] for row in rows]


def test_one_has_the_turn_and_another_takes_it_when_it_ends(queue: Client) -> None:
    first, second = Maintenance(), Maintenance()
    for one in (first, second):
        one.run_due(queue.conn, time.monotonic())
    assert (True, False) == (first.has_turn, second.has_turn)
    for _ in range(10):
        for one in (first, second):
            one.run_due(queue.conn, time.monotonic())
        time.sleep(0.15)
    assert (True, False) == (first.has_turn, second.has_turn)
    begun = time.monotonic()
    eventually(lambda: second.run_due(queue.conn, time.monotonic()) or second.has_turn)
    assert time.monotonic() - begun < 8
    assert not look(queue)
    assert MARK != queue.one("SELECT reaper FROM evtrack.upkeep"), "it is not its turn"


def test_a_heartbeat_brings_who_has_the_turn(queue: Client) -> None:
    worker, first = queue.worker(), Maintenance()
    first.run_due(queue.conn, time.monotonic())
    turn = heartbeat(queue.conn, worker, busy=0).turn
    assert (True, False, 1) == (turn.is_open_to(first._reaper), turn.is_open_to(MARK), turn.workers)
    queue.conn.execute("UPDATE evtrack.upkeep SET reaped_at = reaped_at - interval '1 second'")
    assert heartbeat(queue.conn, worker, busy=0).turn.is_open_to(MARK)
    assert upkeep_turn(queue.conn).is_open_to(MARK)


@pytest.mark.parametrize(("by", "is_open"), [(None, True), (-0.1, True), (0.0, False), (0.9, False), (0.91, True)])
def test_the_turn_is_open_when_nobody_has_looked_for_a_while(by: float | None, *, is_open: bool) -> None:
    assert is_open == UpkeepTurn(reaper=1, reaped_s=by).is_open_to(2)
    assert UpkeepTurn(reaper=2, reaped_s=by).is_open_to(2)
    assert UpkeepTurn(reaper=None, reaped_s=by).is_open_to(2)


@pytest.mark.parametrize(
    ("workers", "turn_s", "poll_s"), [(None, 1, 1), (20, 1, 1), (100, 5, 5), (200, 10, 5), (5000, 10, 5)]
)
def test_the_more_workers_there_are_the_less_often_each_asks(workers: int | None, turn_s: float, poll_s: float) -> None:
    one = Maintenance()
    one.learn(UpkeepTurn(reaper=MARK, reaped_s=0.1, workers=workers), 100.0)
    assert (False, turn_s, poll_s) == (one.has_turn, one.turn_s, one.pace_s)
    assert 0.75 * turn_s <= one.ask_in_s(100.0) <= 1.25 * turn_s
    one.learn(UpkeepTurn(workers=workers), 100.0)
    assert one.has_turn
    assert one.ask_in_s(100.0) <= 1.25, "it soon gives up a turn that another has"


def test_in_a_large_fleet_nothing_but_the_heartbeat_asks_for_the_turn(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(maintenance, "upkeep_turn", lambda conn: calls.append(conn) or upkeep_turn(conn))
    monkeypatch.setattr(Maintenance, "turn_s", 10.0)
    with running_worker(dsn, lease_s=3):
        eventually(lambda: queue.one("SELECT reaper IS NOT NULL FROM evtrack.upkeep"), 20)
        first = queue.one("SELECT reaped_at FROM evtrack.upkeep")
        eventually(lambda: (queue.one("SELECT reaped_at FROM evtrack.upkeep") - first).total_seconds() > 2)
    assert [] == calls


def test_a_call_without_the_turn_writes_nothing(queue: Client) -> None:
    look(queue)
    written = queue.one("SELECT xmin::text || xmax::text FROM evtrack.upkeep")
    look(queue, reaper=MARK + 1)
    assert written == queue.one("SELECT xmin::text || xmax::text FROM evtrack.upkeep")


def test_locks_of_other_sessions_stop_no_upkeep(queue: Client, dsn: str) -> None:
    job, worker = queue.job(), queue.worker()
    queue.claim(worker, job)
    look(queue)
    with connect(dsn, purpose="any user") as held:
        for name, key in (("reap", 0), ("alerts", 0), ("partition", 0), ("cleanup", 0), ("claim", worker)):
            held.execute("SELECT pg_advisory_lock(hashtextextended(%s, %s))", [f"evtrack.{name}", key])
        age(queue, worker, "seen_at")
        queue.conn.execute("UPDATE evtrack.upkeep SET steady_since = NULL")
        assert [worker] == look(queue)
        assert 1 == queue.one("SELECT count(*) FROM evtrack.alert WHERE kind = 'worker_lost'")
        queue.conn.execute("SET lock_timeout = '2s'")
        assert 1 == queue.one("SELECT evtrack.make_partitions('2031-01-01', 1)")
        assert queue.one("SELECT evtrack.take_duty('cleanup') = pg_backend_pid()")


@pytest.mark.parametrize("by", ["40 s", "9 s", "1 hour"])
def test_steps_forward_between_two_looks_age_nobody(queue: Client, by: str) -> None:
    worker = queue.worker()
    look(queue)
    for _ in range(5):
        step(queue, by)
        assert [] == look(queue)
    assert queue.one("SELECT clock_timestamp() - seen_at < '5 s' FROM evtrack.worker WHERE worker_id = %s", worker)


def test_a_dead_worker_is_lost_in_real_time_while_the_clock_steps(queue: Client) -> None:
    worker = queue.worker()
    queue.conn.execute("UPDATE evtrack.upkeep SET steady_since = NULL, reaped_at = NULL")
    look(queue)
    looks = 0
    while not look(queue, elapsed="0.4 s"):
        looks += 1
        assert looks < 80, "30 seconds are 75 looks"
        step(queue, "60.4 s" if looks % 2 else "-59.6 s")
    assert looks > 60
    assert queue.one("SELECT lost_at IS NOT NULL FROM evtrack.worker WHERE worker_id = %s", worker)


def test_the_lease_counts_from_when_the_database_could_be_reached_again(queue: Client) -> None:
    workers = [queue.worker() for _ in range(3)]
    look(queue)
    step(queue, "35 s")
    assert [] == look(queue, elapsed="35 s")
    step(queue, "9 s")
    assert [] == look(queue, elapsed="9 s")
    for _ in range(7):
        step(queue, "3 s")
        lost = look(queue, elapsed="3 s")
    assert sorted(workers) == sorted(lost)


def test_a_session_seen_gone_by_the_next_reaper_counts_from_when_the_last_one_ended(queue: Client, dsn: str) -> None:
    worker = queue.worker()
    with connect(dsn, purpose="worker") as conn:
        assert lock_worker(conn, worker)
        conn.execute("SELECT evtrack.heartbeat(%s)", [worker])
        look(queue)
        look(queue)
    eventually(lambda: not queue.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
    step(queue, "2 s")
    assert [] == look(queue, reaper=MARK + 1, elapsed=None)
    gone = "SELECT extract(EPOCH FROM clock_timestamp() - gone_at)::float8 FROM evtrack.worker WHERE worker_id = %s"
    assert queue.one(gone, worker) == pytest.approx(1.6, abs=0.4)


@pytest.mark.slow
def test_a_locked_log_delays_no_heartbeat(queue: Client, dsn: str) -> None:
    job, dead = queue.job(), queue.worker()
    queue.claim(dead, job)
    with running_worker(dsn, lease_s=3):
        eventually(lambda: queue.one("SELECT reaper IS NOT NULL FROM evtrack.upkeep"), 20)
        alive = queue.one("SELECT worker_id FROM evtrack.worker WHERE worker_id <> %s", dead)
        seen = "SELECT seen_at FROM evtrack.worker WHERE worker_id = %s"
        with connect(dsn, purpose="a migration of another program") as other, other.transaction():
            other.execute("LOCK TABLE evtrack.event, evtrack.batch, evtrack.job IN ACCESS EXCLUSIVE MODE")
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%reap%%'"
            eventually(lambda: queue.one(waits) > 0, 20)
            first = queue.one(seen, alive)
            eventually(lambda: (queue.one(seen, alive) - first).total_seconds() > 3.5, 15)
        eventually(lambda: queue.one("SELECT lost_at IS NOT NULL FROM evtrack.worker WHERE worker_id = %s", dead), 20)
        assert queue.one("SELECT lost_at IS NULL FROM evtrack.worker WHERE worker_id = %s", alive)


def test_busy_slots_are_reported_when_they_change(queue: Client, dsn: str) -> None:
    with running_worker(dsn):
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.worker") == 1, 20)
        queue.one("SELECT evtrack.enqueue('scripted', '{a}', %s)", ['{"do": "sleep", "s": 4}'])
        queue.conn.execute("SELECT pg_notify('evtrack_work', 'scripted')")
        eventually(lambda: queue.one("SELECT count(*) FROM evtrack.event WHERE type = 'started'") == 1)
        eventually(lambda: queue.one("SELECT busy FROM evtrack.worker") == 1, 3)

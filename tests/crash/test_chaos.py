"""Slots, workers and the server killed at random during one job with poison in it.

EVTRACK_CHAOS_ROUNDS and EVTRACK_CHAOS_ITEMS make it longer, EVTRACK_CHAOS_SEED repeats one.
"""

import json
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import servers
from client import Client
from evtrack.domain.errors import EvtrackError
from evtrack.storage.database import Connection, connect
from helpers import environment, eventually, evtrack_command
from working import FOLDER

ROUNDS = int(os.environ.get("EVTRACK_CHAOS_ROUNDS", "4"))
ITEMS = int(os.environ.get("EVTRACK_CHAOS_ITEMS", "2000"))
POISON = max(5, ITEMS // 5000)
BATCH = 20
WORKERS = 2

pytestmark = [pytest.mark.db, pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(120 + 30 * ROUNDS)]


class Fleet:
    """Some workers, of which each that dies is replaced.

    Args:
        dsn: The database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.workers: list[subprocess.Popen[bytes]] = []

    def man(self) -> None:
        """Start what is missing."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        words = ["work", "--dsn", self._dsn, "--import", "misbehaving", "--slots", "2", "--lose-grace", "1"]
        while len(self.workers) < WORKERS:
            self.workers.append(
                subprocess.Popen(
                    evtrack_command(*words, "--lease", "5"),
                    cwd=FOLDER,
                    env=environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one with signal 9."""
        chance.choice(self.workers).kill()

    def kill_slot(self, chance: random.Random) -> None:
        """Kill a slot of one."""
        pid = chance.choice(self.workers).pid
        with suppress(OSError, IndexError):
            os.kill(int(chance.choice(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())), signal.SIGKILL)

    def stop_for_a_while(self, chance: random.Random) -> Callable[[], None]:
        """Stop one past its lease, and return what lets it go on."""
        worker = chance.choice(self.workers)
        worker.send_signal(signal.SIGSTOP)
        return lambda: worker.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill all."""
        for worker in self.workers:
            worker.kill()
            worker.wait(10)


def submit(conn: Connection, poison: set[int]) -> int:
    items = [
        json.dumps({"say": n} | ({"do": "segv"} if n in poison else {"do": "sleep", "s": 0.005}))
        for n in range(1, ITEMS + 1)
    ]
    keys = [f"k{n}" for n in range(1, ITEMS + 1)]
    # A healthy item may be in hand when its slot is killed from outside, but hardly three times.
    policy = json.dumps({"max_crashes": 3, "max_losses": 1000})
    row = conn.execute(
        "SELECT evtrack.enqueue('obey', %s, %s, policy => %s, batch_size => %s)", [keys, items, policy, BATCH]
    ).fetchone()
    assert row
    return int(row[0])


def done(dsn: str, job: int) -> int:
    with connect(dsn, purpose="test") as conn:
        return int(Client(conn).sums(job)["completed"][1])


def test_every_item_has_one_fate_whatever_is_killed() -> None:
    seed = int(os.environ.get("EVTRACK_CHAOS_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"EVTRACK_CHAOS_SEED={seed}")  # noqa: T201
    poison = set(chance.sample(range(1, ITEMS + 1), POISON))
    with servers.one_of_its_own() as (dsn, restart):
        with connect(dsn, purpose="test") as conn:
            job = submit(conn, poison)
        fleet = Fleet(dsn)
        go_on: Callable[[], None] = lambda: None  # noqa: E731
        try:
            for number in range(ROUNDS):
                fleet.man()
                wanted = (number + 1) * ITEMS // (ROUNDS + 2)
                eventually(lambda: done(dsn, job) >= wanted, 60)  # noqa: B023  asked within the round
                go_on()
                go_on = lambda: None  # noqa: E731
                deed = chance.choice(["slot", "slot", "worker", "worker", "server", "stop"])
                print(f"round {number + 1}: {deed} at {wanted} items")  # noqa: T201
                if deed == "server":
                    restart()
                elif deed == "worker":
                    fleet.kill_worker(chance)
                elif deed == "stop":
                    go_on = fleet.stop_for_a_while(chance)
                else:
                    fleet.kill_slot(chance)
            go_on()
            fleet.man()
            eventually(lambda: _phase(dsn, job) == "finished", 90)
        finally:
            fleet.close()
        with connect(dsn, purpose="test") as conn:
            hold_to_account(Client(conn), job, poison)


def hold_to_account(queue: Client, job: int, poison: set[int]) -> None:
    """Make sure that each item has one fate, that the poison alone is crashed, and that all sums agree."""
    rows = queue.rows("SELECT ordinal, status::text FROM evtrack.item_status WHERE job_id = %s", job)
    assert set(range(1, ITEMS + 1)) == {row["ordinal"] for row in rows}
    assert ITEMS == len(rows), "no item has two fates"
    crashed = {row["ordinal"] for row in rows if row["status"] == "crashed"}
    assert (poison, {"crashed", "completed"}) == (crashed, {row["status"] for row in rows})
    sums = queue.sums(job)
    assert (POISON, ITEMS - POISON) == (sums["crashed"][1], sums["completed"][1])
    results = queue.rows("SELECT ordinal, result FROM evtrack.item_result WHERE job_id = %s", job)
    assert {n: n for n in range(1, ITEMS + 1) if n not in poison} == {
        row["ordinal"]: int(row["result"]) for row in results
    }
    assert ITEMS - POISON == len(results), "nothing is counted twice"
    queue.check(job)
    causes = Counter(
        row["cause"] for row in queue.rows("SELECT data ->> 'cause' AS cause FROM evtrack.event WHERE type = 'crashed'")
    )
    print(f"crashes by cause: {dict(causes)}")  # noqa: T201


def _phase(dsn: str, job: int) -> str:
    try:
        with connect(dsn, purpose="test") as conn:
            return Client(conn).phase(job)
    except EvtrackError:
        return "unknown"

"""Slots, workers, the watcher, the submitter and the server killed at random during one job with poison in it.

EVTRACK_CHAOS_ROUNDS and EVTRACK_CHAOS_ITEMS make it longer, EVTRACK_CHAOS_SEED repeats one. At full size, which takes
some minutes: EVTRACK_CHAOS_ROUNDS=20 EVTRACK_CHAOS_ITEMS=100000 bin/test -m slow -s tests/crashes/test_chaos.py
"""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import pytest

import servers
from client import Client
from command_line import environment, evtrack, evtrack_command
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import connect
from polling import eventually
from workers import HANDLER_DIRECTORY, children, descendants, slots_of

ROUNDS = int(os.environ.get("EVTRACK_CHAOS_ROUNDS", "7"))
ITEMS = int(os.environ.get("EVTRACK_CHAOS_ITEMS", "4000"))
POISON = max(5, ITEMS // 5000)
BATCH = 20
WORK_S = max(0.001, 20 / ITEMS)
ACTIONS = ["slot", "worker", "group", "watcher", "submitter", "server", "stop"]

pytestmark = [pytest.mark.integration, pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(120 + 30 * ROUNDS)]


def write(source: Path, poison: set[int]) -> None:
    """Write the job's source: items that say their number, a few of which take their slot or their worker down."""
    deadly = dict(zip(sorted(poison), cycle(["segv", "kill worker"]), strict=False))
    with source.open("w", encoding="utf-8") as file:
        for n in range(1, ITEMS + 1):
            item = {"return": n} | ({"do": deadly[n]} if n in deadly else {"do": "sleep", "s": WORK_S})
            file.write(json.dumps(item) + "\n")


def choose(chance: random.Random) -> list[str]:
    """Choose a action for each round: each kind at least once, if there are rounds enough."""
    actions = chance.sample(ACTIONS, min(ROUNDS, len(ACTIONS)))
    actions += chance.choices(ACTIONS, k=ROUNDS - len(actions))
    chance.shuffle(actions)
    return actions


def alerted(alerts: Path) -> set[int]:
    """Read which items the watchers have called poison so far."""
    # A watcher that was killed may have left half a line.
    lines = [line for line in alerts.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    told = [json.loads(line) for line in lines if '"item_poisoned"' in line]
    return {int(alert["item_key"]) for alert in told}


def asked(dsn: str, question: Callable[[Client], bool]) -> Callable[[], bool]:
    """Return a predicate that is false while the server is unavailable."""

    def ask() -> bool:
        try:
            with connect(dsn, purpose="test") as conn:
                return question(Client(conn))
        except EvtrackError:
            return False

    return ask


def test_every_item_has_one_outcome_whatever_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("EVTRACK_CHAOS_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"EVTRACK_CHAOS_SEED={seed} EVTRACK_CHAOS_ROUNDS={ROUNDS} EVTRACK_CHAOS_ITEMS={ITEMS}")  # noqa: T201
    poison = set(chance.sample(range(1, ITEMS + 1), POISON))
    source = tmp_path / "items.jsonl"
    write(source, poison)
    # A healthy item may be in hand when its slot or its worker is killed from outside, but hardly three times. The
    # submitter is held back, so that it is there to be killed for the better part of the job.
    recipe = ["--handler", "scripted", "--key", "return", "--batch-size", str(BATCH), "--max-crashes", "3"]
    recipe += ["--max-losses", "3", "--max-pending", str(ITEMS // BATCH // 5)]
    begun = time.monotonic()
    with servers.one_of_its_own() as (dsn, restart):
        fleet = JobProcesses(dsn=dsn, source=source, recipe=recipe, log=tmp_path / "log")

        def reached(wanted: int) -> bool:
            def question(queue: Client) -> bool:
                fleet.start_missing(queue)
                return bool(queue.one("SELECT coalesce(sum(done), 0) FROM evtrack.job_progress") >= wanted)

            return eventually(asked(dsn, question), 120, every_s=0.1)

        try:
            for number, action in enumerate(choose(chance), 1):
                wanted = number * ITEMS // (ROUNDS + 2)
                reached(wanted)
                print(f"{time.monotonic() - begun:6.1f} s, round {number}: {action} at {wanted} items")  # noqa: T201
                if action == "server":
                    restart()
                elif action == "worker":
                    fleet.kill_worker(chance)
                elif action == "group":
                    fleet.kill_group(chance)
                elif action == "watcher":
                    fleet.kill_watcher()
                elif action == "submitter":
                    fleet.kill_submitter()
                elif action == "stop":
                    fleet.stop_worker(chance)
                    # The watcher may be the one that looks, after its own lease of 30 s.
                    eventually(asked(dsn, fleet.stopped_is_lost), 90, every_s=0.1)
                    fleet.resume_worker()
                else:
                    fleet.kill_slot(chance)
            reached(ITEMS - POISON)
            eventually(asked(dsn, lambda queue: queue.phase(1) == "finished"), 90, every_s=0.1)
            # If the watcher was killed last, another one reports what happened meanwhile.
            eventually(lambda: poison <= alerted(fleet.alerts), 30, every_s=0.1)
            print(f"{time.monotonic() - begun:6.1f} s: finished, {fleet.submitters} submitters")  # noqa: T201
        finally:
            fleet.resume_worker()
            fleet.close()
        with connect(dsn, purpose="test") as conn:
            hold_to_account(Client(conn), 1, poison)
        proof = evtrack("verify", "--dsn", dsn, timeout_s=300)
        assert (0, "") == (proof.returncode, "\n".join(proof.stdout.splitlines()[:-1])), proof.stdout


def hold_to_account(queue: Client, job: int, poison: set[int]) -> None:
    """Check that each item has one outcome, that only the poison items crashed, and that all sums agree."""
    rows = queue.rows("SELECT ordinal, item_key, status::text FROM evtrack.item_status WHERE job_id = %s", job)
    assert {n: str(n) for n in range(1, ITEMS + 1)} == {row["ordinal"]: row["item_key"] for row in rows}
    assert ITEMS == len(rows), "no item has two fates"
    crashed = {row["ordinal"] for row in rows if row["status"] == "crashed"}
    assert (poison, {"crashed", "completed"}) == (crashed, {row["status"] for row in rows})
    sums = queue.sums(job)
    assert (POISON, ITEMS - POISON) == (sums["crashed"][1], sums["completed"][1])
    assert {"completed", "crashed"} == {status for status, (_, items) in sums.items() if items} - {"split"}
    assert poison == {row["ordinal"] for row in queue.rows("SELECT ordinal FROM evtrack.crash WHERE poison")}
    results = queue.rows("SELECT ordinal, result FROM evtrack.item_result WHERE job_id = %s", job)
    assert {n: n for n in range(1, ITEMS + 1) if n not in poison} == {
        row["ordinal"]: int(row["result"]) for row in results
    }
    assert ITEMS - POISON == len(results), "nothing is counted twice"
    queue.check(job)
    causes = Counter(
        row["cause"] for row in queue.rows("SELECT data ->> 'cause' AS cause FROM evtrack.event WHERE type = 'crashed'")
    )
    late = queue.one("SELECT count(*) FROM evtrack.event WHERE type = 'late_result'")
    print(f"crashes by cause: {dict(causes)}; late results: {late}")  # noqa: T201


_LEASE_S = 3.0


class JobProcesses:
    """Workers, a watcher, and the submitter of one job; `start_missing` replaces those that are gone.

    Args:
        dsn: The database, in which there is no other job.
        source: What is submitted.
        recipe: Options of `evtrack submit`.
        log: Where they write their logs.
        workers: How many workers.
    """

    def __init__(self, *, dsn: str, source: Path, recipe: Sequence[str], log: Path, workers: int = 2) -> None:
        self._dsn, self._log, self._count = dsn, log, workers
        self._recipe = [str(source), *recipe]
        self._submitter: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._stopped: subprocess.Popen[bytes] | None = None
        self.alerts = log.with_name("alerts")
        """What the watchers wrote, a line an alert."""
        self.submitters = 0
        """How many were started."""

    def start_missing(self, queue: Client) -> None:
        """Start what is missing.

        Args:
            queue: A session that can say whether the job is submitted.
        """
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        while len(self._workers) < self._count:
            limits = ["--slots", "2", "--lose-grace", "1", "--lease", str(_LEASE_S)]
            self._workers.append(self._start("work", "--import", "misbehaving_handlers", *limits))
        if self._watcher is None or self._watcher.poll() is not None:
            self._watcher = self._start("watch", stdout=self.alerts)
        if self._submitter is None or self._submitter.poll() is not None:
            jobs = queue.rows("SELECT job_id, phase::text FROM evtrack.job")
            if not jobs:
                self._submit(*self._recipe)
            elif jobs[0]["phase"] in {"open", "abandoned"}:
                self._submit("--resume", str(jobs[0]["job_id"]))

    def kill_worker(self, chance: random.Random) -> None:
        """Kill a worker with signal 9."""
        chance.choice(self._workers).kill()

    def kill_group(self, chance: random.Random) -> None:
        """Kill a worker and all of its processes at once, as a container's end does."""
        pid = chance.choice(self._workers).pid
        with suppress(OSError):  # an item has killed it just now
            for each in (pid, *descendants(pid)):
                os.kill(each, signal.SIGKILL)

    def kill_slot(self, chance: random.Random) -> None:
        """Kill a slot of a worker, or its fork server and so all its slots, with signal 9."""
        pid = chance.choice(self._workers).pid
        with suppress(OSError, IndexError):
            os.kill(chance.choice([*children(pid), *slots_of(pid)]), signal.SIGKILL)

    def kill_watcher(self) -> None:
        """Kill the watcher with signal 9."""
        assert self._watcher is not None
        self._watcher.kill()
        self._watcher.wait(10)

    def kill_submitter(self) -> None:
        """Kill the submitter with signal 9, if it is not done."""
        if self._submitter is not None:
            self._submitter.kill()
            self._submitter.wait(10)

    def stop_worker(self, chance: random.Random) -> None:
        """Stop a worker, as a debugger does, until `resume_worker`."""
        self._stopped = chance.choice(self._workers)
        self._stopped.send_signal(signal.SIGSTOP)

    def stopped_is_lost(self, queue: Client) -> bool:
        """Return whether the stopped worker was declared lost or had not registered."""
        assert self._stopped is not None
        # The others notice it, and an item may have killed them just now.
        self.start_missing(queue)
        return not queue.rows("SELECT 1 FROM evtrack.worker WHERE pid = %s AND lost_at IS NULL", self._stopped.pid)

    def resume_worker(self) -> None:
        """Resume the stopped worker."""
        if self._stopped is not None:
            self._stopped.send_signal(signal.SIGCONT)
            self._stopped = None

    def close(self) -> None:
        """Kill all processes."""
        for process in filter(None, [self._submitter, self._watcher, *self._workers]):
            process.kill()
            process.wait(10)

    def _submit(self, *words: str) -> None:
        self._submitter = self._start("submit", *words)
        self.submitters += 1

    def _start(self, *words: str, stdout: Path = Path(os.devnull)) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log, stdout.open("ab") as out:
            return subprocess.Popen(
                evtrack_command(*words, "--dsn", self._dsn),
                cwd=HANDLER_DIRECTORY,
                env=environment(),
                stdout=out,
                stderr=log,
            )

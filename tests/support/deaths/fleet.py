"""A fleet of workers in memory, that runs items through the real queue and dies whole when a poison item begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evtrack.domain.ordinals import Ordinals

if TYPE_CHECKING:
    from random import Random

from client import Claim, Client
from suspects import Left, lose, mark, marker, report_death

ALONE = {"memory", "exclusive"}
SUSPECT = {"marked", "exclusive"}


@dataclass(slots=True)
class Run:
    """A batch in a slot."""

    claim: Claim
    items: list[int]
    isolation: str
    done: list[int] = field(default_factory=list)
    in_hand: int | None = None


class DeadError(Exception):
    """The worker died."""


@dataclass(slots=True)
class Worker:
    """A worker with slots."""

    number: int
    runs: list[Run] = field(default_factory=list)
    waits: bool = False
    """It claims nothing more, because a batch must run alone."""


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Workers that claim, run and die.

    Args:
        workers: How many there are; a dead one is replaced at once.
        slots: How many batches each runs.
        poison: The items that kill their worker.
        per_item: Whether handlers take items one by one.
        state: Whether the successor of a dead worker finds its state directory.
        chance: How likely a worker is killed at a step, though never twice beside the same exclusive item.
    """

    client: Client
    job: int
    random: Random
    workers: int
    slots: int
    poison: set[int]
    per_item: bool = True
    state: bool = True
    chance: float = 0.0
    deaths: int = 0
    alone: int = 0
    began: dict[int, int] = field(default_factory=dict)
    _fleet: list[Worker] = field(default_factory=list)
    _unlucky: set[int] = field(default_factory=set)

    def run(self, most: int = 5000) -> None:
        """Work until nothing is left."""
        self._fleet = [Worker(marker(self.client)) for _ in range(self.workers)]
        for _ in range(most):
            worker = self.random.choice(self._fleet)
            try:
                self._step(worker)
            except DeadError:
                self._die(worker)
            if not any(worker.runs for worker in self._fleet) and not self._open():
                return
        message = f"not done after {most} steps"
        raise AssertionError(message)

    def _open(self) -> bool:
        return bool(
            self.client.one(
                "SELECT count(*) FROM evtrack.batch WHERE job_id = %s AND status IN ('pending', 'running')", self.job
            )
        )

    def _step(self, worker: Worker) -> None:
        if self.chance and self.random.random() < self.chance and self._may_kill(worker):
            raise DeadError
        self._claim(worker)
        if worker.runs:
            self._advance(worker, self.random.choice(worker.runs))

    def _may_kill(self, worker: Worker) -> bool:
        beside = {item for run in worker.runs if run.isolation == "exclusive" for item in run.items}
        if beside & self._unlucky:
            return False
        self._unlucky |= beside
        return True

    def _claim(self, worker: Worker) -> None:
        if any(run.isolation in ALONE for run in worker.runs):
            return
        due = self.client.rows("SELECT isolated FROM evtrack.claimable(%s)", [self.client.handler])
        isolated = any(row["isolated"] for row in due)
        worker.waits = isolated and (worker.waits or self.random.random() < 0.3 or not worker.runs)
        free = self.slots - len(worker.runs)
        if worker.waits and worker.runs:
            return
        limits = (0, 0, 1) if worker.waits else (self.random.randint(0, free), free, 0)
        if not worker.waits:
            limits = (limits[0], free - limits[0], 0)
        rows = self.client.rows(
            "SELECT job_id, batch_no, attempt, ordinals, isolation::text"
            " FROM evtrack.claim(%s, %s, '{0}', %s, %s, %s, %s)",
            worker.number,
            [self.job],
            limits[0],
            [self.client.handler],
            *limits[1:],
        )
        for row in rows:
            claim = Claim(row["job_id"], row["batch_no"], row["attempt"])
            worker.runs.append(Run(claim, list(Ordinals.parse(row["ordinals"])), row["isolation"]))
            self.alone += row["isolation"] in ALONE

    def _advance(self, worker: Worker, run: Run) -> None:
        if run.in_hand is None:
            self._begin(worker, run, None)
        elif self.per_item:
            done, run.in_hand = run.in_hand, None
            run.done.append(done)
            self._begin(worker, run, done)
        else:
            run.done, run.in_hand = run.items, None
        if run.in_hand is None and len(run.done) == len(run.items):
            worker.runs.remove(run)
            lines = "\n".join(f'"{item}"' for item in run.items)
            assert ["ok"] == self.client.complete(worker.number, [run.claim], results=[lines])

    def _begin(self, worker: Worker, run: Run, done: int | None) -> None:
        """Mark what is done and what begins, and begin it."""
        left = [item for item in run.items if item not in run.done]
        item = (left[0] if self.per_item else 0) if left else None
        if run.isolation in SUSPECT:
            line = None if done is None else f'"{done}"'
            exclusive = run.isolation == "exclusive"
            assert "held" == mark(
                self.client, worker.number, run.claim, item, done=done, line=line, exclusive=exclusive
            )
        run.in_hand = item
        begun = [] if item is None else [item] if self.per_item else left
        for each in begun:
            self.began[each] = self.began.get(each, 0) + 1
        if self.poison & set(begun):
            raise DeadError

    def _die(self, worker: Worker) -> None:
        self.deaths += 1
        successor = Worker(marker(self.client))
        self._fleet[self._fleet.index(worker)] = successor
        left = [
            Left(run.claim, run.in_hand, run.done, begun=run.in_hand is not None or bool(run.done))
            for run in worker.runs
        ]
        reaped = not self.state or self.random.random() < 0.5
        if reaped:
            lose(self.client, worker.number)
        if self.state:
            report_death(self.client, worker.number, successor.number, left)

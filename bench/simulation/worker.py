"""A worker without slots: it claims, lets time pass instead of running a handler, and completes.

What it decides it decides by the rules of `evtrack work`: how much to claim, when to report, when to look for work,
when to send a heartbeat.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final

from simulation import calls
from simulation.calls import claimed, jobs
from simulation.loop import Ask
from simulation.session import LocksTaken

from evtrack.runtime.maintenance import LEASE_S
from evtrack.runtime.worker.database.claim_planner import ClaimPlanner
from evtrack.runtime.worker.database.job_completion import ASK_S, JobCompletion
from evtrack.runtime.worker.database.wake_up_delay import WakeUpDelay
from evtrack.runtime.worker.exchanger import _ANSWER_SHARE, _LONGEST_REPORT_S, _WEIGHT, REPORT_S
from evtrack.runtime.worker.pacing import GROUP, Room

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from psycopg.pq.abc import PGresult
    from simulation.loop import Loop, Task
    from simulation.session import Call, Session

    from evtrack.domain.claimed_batch import ClaimedBatch

_NEVER_S: Final = 3600.0
_BACKOFF_S: Final = 0.2
"""How long to wait after an exchange that was cancelled because of locks."""

_CHANGED_S: Final = 1.0
"""How soon after a heartbeat another one reports that other slots are busy."""


@dataclass(slots=True)
class Orders:
    """What all workers do now; the benchmark changes it.

    Args:
        handler: The handler whose jobs they take.
        handler_s: How long a batch takes.
        slots: How many batches a worker runs at once.
        is_claiming: Whether they claim; otherwise they report what they hold, and are idle.
        is_over: Whether they end.
        workers: How many workers there are.
        pace_s: How often a worker without work looks for some.
        turn_s: How often a worker asks who looks for lost workers.
    """

    handler: str = "none"
    handler_s: float = 1.0
    slots: int = 1
    is_claiming: bool = True
    is_over: bool = False
    workers: int = 0
    pace_s: float = 1.0
    turn_s: float = 1.0


@dataclass(slots=True)
class Tally:
    """What all workers have done."""

    exchanges: int = 0
    completed: int = 0
    searches: int = 0
    beats: int = 0
    timeouts: int = 0
    """Exchanges that were cancelled because of locks."""

    claims_s: list[float] = field(default_factory=list)
    """How long each exchange that claimed took, from the request to the answer."""


class Worker:
    """One worker with two sessions, as a real one has.

    Args:
        worker_id: The worker, as registered.
        session: Claims and reports.
        heartbeat: Sends heartbeats.
        lock_pid: The server's process that holds the worker's lock; 0 behind a pooler.
    """

    def __init__(
        self, *, worker_id: int, session: Session, heartbeat: Session, lock_pid: int, orders: Orders, tally: Tally
    ) -> None:
        self._worker_id, self._session, self._heartbeat, self._lock_pid = worker_id, session, heartbeat, lock_pid
        self._orders, self._tally = orders, tally
        self._planner = ClaimPlanner()
        self._delay = WakeUpDelay()
        self._completion = JobCompletion()
        self._free_at: list[float] = []
        self._running: deque[tuple[float, float, ClaimedBatch]] = deque()
        self._in_flight = 0
        self._answer_s = 0.0
        self._has_news = False
        self._work_task = self._work()

    @property
    def held(self) -> int:
        """How many batches it has not reported, as far as it knows."""
        return len(self._running) + self._in_flight

    def start(self, loop: Loop) -> None:
        """Begin to work."""

        def wake() -> None:
            orders = self._orders
            self._delay.record_wake_up([orders.handler], workers=orders.workers, now=monotonic())
            loop.wake(self._work_task)

        loop.watch(self._session, on_notification=wake)
        loop.watch(self._heartbeat)
        loop.add(self._work_task)
        loop.add(self._beat())

    def look_up(self, loop: Loop) -> None:
        """Notice that the orders have changed: there may be work."""
        self._has_news = True
        loop.wake(self._work_task)

    def _beat(self) -> Task:
        beat_s, reported = LEASE_S / 3, 0
        # Workers of a fleet were not started at the same moment.
        beat_at = monotonic() + beat_s * (self._worker_id % 97) / 97
        ask_at = monotonic() + self._orders.turn_s * (self._worker_id % 89) / 89
        while not self._orders.is_over:
            now, turn_s = monotonic(), self._orders.turn_s
            busy = self._busy(now)
            if now >= (beat_at - turn_s / 2 if now >= ask_at else beat_at) or busy != reported:
                beat_at, ask_at, reported = now + beat_s, now + turn_s, busy
                self._tally.beats += 1
                yield from _ask(self._heartbeat, calls.heartbeat(self._worker_id, busy, self._lock_pid))
            if now >= ask_at:
                ask_at = now + turn_s
                yield from _ask(self._heartbeat, calls.upkeep_turn())
            yield min(beat_at, ask_at, now + _CHANGED_S)

    def _busy(self, now: float) -> int:
        return sum(1 for begins_at, ends_at, _ in self._running if begins_at <= now < ends_at)

    def _work(self) -> Task:
        while not self._orders.is_over:
            now = monotonic()
            due_at = min(self._due_at(now), self._delay.due_at)
            if now < due_at and not self._has_news:
                yield due_at
                continue
            has_news = self._has_news or now >= self._delay.due_at
            try:
                yield from self._look(now) if has_news else self._exchange(now)
            except LocksTaken:
                # Nothing was reported with it, so that there is nothing to take back.
                self._tally.timeouts += 1
                yield monotonic() + _BACKOFF_S

    def _look(self, now: float) -> Task:
        """Look for what was announced."""
        delay, orders, held, self._has_news = self._delay, self._orders, len(self._running), False
        announced = delay.begin_look()
        if not (orders.is_claiming and not held and not delay.is_late and (yield from self._claim_next(now))):
            self._planner.expire()
            yield from self._exchange(now)
        delay.record_look(announced, has_found=len(self._running) > held)
        for handler in delay.begin_count([orders.handler], workers=orders.workers, now=monotonic()):
            (result,) = yield from _ask(self._session, calls.count_idle(handler))
            delay.record_count(handler, calls.counted(result))

    def _due_at(self, now: float) -> float:
        """Return when the next exchange is due."""
        room, planner = self._room(now), self._planner
        ended_at = min([ends_at for _, ends_at, _ in self._running], default=math.inf)
        if sum(1 for _, ends_at, _ in self._running if ends_at <= now) >= GROUP or (ended_at <= now and not room.held):
            return now
        due_at = min(self._completion.due_at, ended_at + (self._report_s if self._orders.is_claiming else 0.0))
        if self._running:
            # A worker that holds nothing reports at once what has ended.
            due_at = min(due_at, max(ends_at for _, ends_at, _ in self._running))
        if self._orders.is_claiming and room.is_there:
            due_at = min(due_at, planner.list_at)
            if room.claim_size(planner.next_jobs()):
                due_at = min(due_at, planner.claim_at)
        return min(due_at, now + _NEVER_S)

    @property
    def _report_s(self) -> float:
        """The age at which few outcomes are reported: a slow database gets more of them together."""
        return min(max(REPORT_S, self._answer_s / _ANSWER_SHARE), _LONGEST_REPORT_S)

    def _slots_free_at(self) -> list[float]:
        wanted = self._orders.slots
        self._free_at += [0.0] * (wanted - len(self._free_at))
        return self._free_at

    def _room(self, now: float) -> Room:
        left = [ends_at - max(begins_at, now) for begins_at, ends_at, _ in self._running if ends_at > now]
        return Room(
            slots=self._orders.slots,
            idle=sum(1 for at in self._slots_free_at() if at <= now),
            held=len(left),
            held_s=sum(left),
            run_s=_Always(self._orders.handler_s),
        )

    def _claim_next(self, now: float) -> Generator[Ask | float, list[PGresult] | None, bool]:
        """Claim what a notification announced, and return whether that was all."""
        orders = self._orders
        call = calls.claim_next(self._worker_id, orders.handler, self._planner.low_water_marks, most=orders.slots)
        begun = monotonic()
        (result,) = yield from _ask(self._session, call)
        answered = monotonic()
        self._tally.searches += 1
        batches = claimed(result)
        has_more = result.ntuples > 0 and (len(batches) in {0, orders.slots} or calls.has_more(result))
        if batches:
            self._tally.exchanges += 1
            self._tally.claims_s.append(answered - begun)
            self._begin(batches, answered)
        self._planner.record_next(has_more=has_more, now=now)
        return bool(batches) or not has_more

    def _exchange(self, now: float) -> Task:
        orders, planner = self._orders, self._planner
        planner.idle_s = orders.pace_s
        self._completion.ask_s = max(ASK_S, orders.pace_s)
        room = self._room(now)
        if orders.is_claiming and room.is_there and planner.is_stale(now):
            (result,) = yield from _ask(self._session, calls.claimable(orders.handler, planner.low_water_marks))
            planner.refresh(jobs(result), now=now, took_s=monotonic() - now)
            self._tally.searches += 1
        done = self._take_done(monotonic())
        candidates = planner.candidates(now) if orders.is_claiming else []
        size = room.claim_size(candidates, may_be_small=bool(done))
        claim = planner.plan(candidates, size) if size else None
        if done or claim:
            begun = monotonic()
            self._in_flight = len(done)
            call = calls.exchange(self._worker_id, orders.handler, done, claim, run_s=orders.handler_s)
            try:
                (result,) = yield from _ask(self._session, call)
            except LocksTaken:
                self._tally.timeouts += 1
                self._in_flight = 0
                self._running.extendleft((now, now, batch) for batch in done)
                yield monotonic() + _BACKOFF_S
                return
            answered = monotonic()
            self._answer_s += _WEIGHT * (answered - begun - self._answer_s)
            self._in_flight = 0
            self._tally.exchanges += 1
            self._tally.completed += len(done)
            self._completion.add({batch.job_id for batch in done}, answered)
            batches = claimed(result)
            if claim:
                self._tally.claims_s.append(answered - begun)
                planner.record(batches, answered)
                self._begin(batches, answered)
        touched = self._completion.due(monotonic(), self._seems_over)
        if touched:
            yield from _ask(self._session, calls.finish_jobs(touched))

    def _seems_over(self, job_id: int) -> bool:
        planner = self._planner
        is_known = not (self._orders.is_claiming and planner.is_stale(monotonic()))
        return is_known and not self._running and job_id not in planner.listed

    def _begin(self, batches: list[ClaimedBatch], now: float) -> None:
        free_at = self._slots_free_at()
        for batch in batches:
            slot = min(range(self._orders.slots), key=free_at.__getitem__)
            begins_at = max(now, free_at[slot])
            free_at[slot] = begins_at + self._orders.handler_s
            self._running.append((begins_at, free_at[slot], batch))

    def _take_done(self, now: float) -> list[ClaimedBatch]:
        done = [batch for _, ends_at, batch in self._running if ends_at <= now]
        self._running = deque(each for each in self._running if each[1] > now)
        return done


def _ask(session: Session, call: Call) -> Generator[Ask | float, list[PGresult] | None, Sequence[PGresult]]:
    results = yield Ask(session, [call])
    assert results is not None
    return results


class _Always(dict[int, float]):
    """The run time of each job's batches: the same for all."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def get(self, _key: int, _default: float = 0.0) -> float:  # type: ignore[override]
        return self._seconds

"""Measures fleets on one database, one after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import psutil
from simulation import load
from simulation.model import Point
from support import commands, database, harness, measures
from support.cpu import postmaster_of, tree_cpu_s

if TYPE_CHECKING:
    from simulation.fleet import Fleet

_FILL: Final = """SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{"i": 1}'::text), batch_size => 1)
    FROM generate_series(1, %s::int) i"""
_FREE: Final = "SELECT coalesce(max(free_slots), 0) FROM evtrack.waiting WHERE why = 'queue'"
_ONE: Final = "SELECT evtrack.enqueue('noop', '{K}', '{\"{}\"}')"

_SETTLED_S: Final = harness.sized(2.0, smoke=0.3)
_IDLE_SETTLED_S: Final = harness.sized(6.0, smoke=0.3)
_BASE_S: Final = harness.sized(5.0, smoke=0.3)
_WAKE_UPS: Final = harness.sized(10, smoke=2)
_WAKE_UP_S: Final = harness.sized(0.5, smoke=0.2)
"""Time from one wake-up of an idle fleet to the next."""

_FASTEST: Final = 40_000.0
"""Batches a second that no fleet is expected to exceed."""

_FASTER: Final = 1.3
"""How much faster than expected a fleet may be without running out of batches."""

_SATURATED: Final = 0.7
"""Share of what the workers could run below which more workers change nothing."""


@dataclass(frozen=True, slots=True)
class Times:
    """For how long to measure.

    Args:
        busy_s: A busy fleet.
        idle_s: An idle fleet.
    """

    busy_s: float
    idle_s: float


class Measurement:
    """Measures a fleet as it grows.

    Args:
        fleet: The workers.
        conn: A connection to the database.
        dsn: The same database.
        pooler_pid: The pooler's process, if there is a pooler.
    """

    def __init__(self, fleet: Fleet, conn: database.Connection, dsn: str, pooler_pid: int | None, times: Times) -> None:
        self._fleet, self._conn, self._dsn, self._times = fleet, conn, dsn, times
        self._pooler = None if pooler_pid is None else psutil.Process(pooler_pid)
        self._postmaster = postmaster_of(conn)
        self._points: dict[float, list[Point]] = {}
        self._expected: dict[int, int] = {}
        self._base_cores = 0.0
        # What the server does without workers is not part of any figure.
        self._base_cores = self._measured(_BASE_S, handler_s=0.0, offered=0.0).server_cores

    def idle(self, workers: int) -> Point:
        """Measure workers without work, and then what it costs to wake them for one batch."""
        self._fleet.grow(workers)
        self._fleet.run(_IDLE_SETTLED_S, handler="noop", handler_s=0.001)
        point = self._measured(self._times.idle_s, handler_s=0.0, offered=0.0)
        done = self._fleet.tally.completed
        begun, before = time.monotonic(), self._used()[0]
        for _ in range(_WAKE_UPS):
            self._fleet.run_during(self._enqueue_one)
            self._fleet.run(_WAKE_UP_S)
        took = time.monotonic() - begun
        used_s = self._used()[0] - before
        self._fleet.run(self._fleet.orders.pace_s)  # where nobody listens, it is a poll that finds the last one
        assert self._fleet.tally.completed - done == _WAKE_UPS, "a batch was not picked up"
        self._fleet.run(0.0, handler="none")
        woken_s = used_s - (point.server_cores + self._base_cores) * took
        return replace(point, wake_up_s=max(0.0, woken_s / _WAKE_UPS))

    def busy(self, workers: int, handler_s: float) -> Point:
        """Measure workers that have more work than they can do.

        Args:
            handler_s: How long a batch takes.
        """
        self._fleet.grow(workers)
        expected = offered = workers * self._fleet.orders.slots / handler_s
        points = self._points.setdefault(handler_s, [])
        if points and points[-1].rate < _SATURATED * points[-1].offered:
            # Not the rate of the last one: sessions of a pooler wait for fewer locks.
            expected = min(expected, max(point.rate for point in points))
        seconds = self._times.busy_s + 2 * _SETTLED_S
        batches = int(_FASTER * min(expected, _FASTEST) * seconds) + 4 * workers
        job = self._fleet.run_during(lambda: self._filled(batches))
        done = self._fleet.tally.completed
        self._fleet.run(_SETTLED_S, handler="noop", handler_s=handler_s)
        point = self._measured(self._times.busy_s, handler_s=handler_s, offered=offered)
        free = database.value(self._conn, _FREE) / (workers * self._fleet.orders.slots)
        points.append(replace(point, free_slots=free))
        self._fleet.settle()
        self._expected[job] = self._fleet.tally.completed - done
        pending = database.value(self._conn, "SELECT pending FROM evtrack.job_progress WHERE job_id = %s", [job])
        assert pending > 0, "the workers ran out of work"
        # What is left of it is no work for the next fleet.
        self._conn.execute("SELECT evtrack.suspend(%s)", (job,))
        return points[-1]

    def failure(self) -> str:
        """Return what is wrong with what the workers left: the log must have all that they completed, and no more."""
        lost = database.value(self._conn, "SELECT count(*) FROM evtrack.worker WHERE lost_at IS NOT NULL")
        if lost:
            return f"{lost} workers were declared lost"
        for job, completed in self._expected.items():
            query = "SELECT batches_completed, batches_running FROM evtrack.job_progress WHERE job_id = %s"
            row = self._conn.execute(query, [job]).fetchone()
            if row != (completed, 0) or not completed:
                return f"job {job}: completed and running are {row}, and should be {completed} and 0"
        # Reading the log of all of them would take longer than the measurements.
        smallest = min(self._expected, key=self._expected.__getitem__)
        differs = commands.evtrack("verify", str(smallest), "--dsn", self._dsn).wait()
        return f"the log of job {smallest} differs from the projection" if differs else ""

    def _enqueue_one(self) -> None:
        self._conn.execute(_ONE)
        self._conn.execute("SELECT pg_notify('evtrack_work', 'noop')")

    def _filled(self, batches: int) -> int:
        job = int(database.value(self._conn, _FILL, [batches]))
        self._conn.execute("VACUUM ANALYZE evtrack.batch, evtrack.payload")
        return job

    def _measured(self, seconds: float, *, handler_s: float, offered: float) -> Point:
        with load.WaitSampler(self._dsn) as sampler:
            begun, before = time.monotonic(), self._used()
            tally = self._fleet.run(seconds)
            took = time.monotonic() - begun
            cores = [(after - each) / took for after, each in zip(self._used(), before, strict=True)]
        latencies = tally.claims_s or [0.0]
        return Point(
            workers=len(self._fleet.workers),
            direct=self._fleet.direct,
            handler_s=handler_s,
            offered=offered,
            rate=tally.completed / took,
            exchanges=tally.exchanges / took,
            searches=tally.searches / took,
            timeouts=tally.timeouts / took,
            group=tally.completed / max(1, tally.exchanges),
            claim_p50_s=measures.percentile(latencies, 0.5),
            claim_p99_s=measures.percentile(latencies, 0.99),
            server_cores=max(0.0, cores[0] - self._base_cores),
            pooler_cores=cores[1],
            client_cores=cores[2],
            lock_waits=sum(count for name, count in sampler.sessions.items() if name.startswith("Lock ")),
            waits={name: round(count, 3) for name, count in list(sampler.sessions.items())[:6]},
        )

    def _used(self) -> tuple[float, float, float]:
        pooled = 0.0 if self._pooler is None else tree_cpu_s(self._pooler)
        return tree_cpu_s(self._postmaster), pooled, time.process_time()

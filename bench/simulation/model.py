"""A model of what a fleet costs its server, fitted to measured points."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, linear_regression
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement. Rates are per second, CPU is in cores.

    Args:
        direct: How many of the workers have sessions of their own.
        handler_s: How long a batch takes; 0 for workers without work.
        offered: How many batches a second the workers could run.
        searches: How often a second workers looked for jobs.
        group: Batches completed per exchange.
        lock_waits: How many sessions waited for a lock, on average.
        waits: How many active sessions waited for what, or ran, on average; the most first.
        wake_up_s: Seconds of the server's CPU for one batch that wakes a fleet without work, its enqueueing included.
        free_slots: Share of the slots that are free although batches wait, as the view evtrack.waiting shows it.
        timeouts: How many exchanges a second were cancelled because others held locks for too long.
    """

    workers: int
    direct: int
    handler_s: float
    offered: float
    rate: float
    exchanges: float
    searches: float
    group: float
    claim_p50_s: float
    claim_p99_s: float
    server_cores: float
    pooler_cores: float
    client_cores: float
    lock_waits: float
    waits: dict[str, float] = field(default_factory=dict)
    wake_up_s: float = 0.0
    free_slots: float = 0.0
    timeouts: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """What the server's CPU costs are made of.

    Args:
        exchange_s: Seconds of an exchange, whatever its size.
        batch_s: Seconds of each batch in it.
        worker_s: Seconds of a worker in each second, whatever it does.
    """

    exchange_s: float
    batch_s: float
    worker_s: float

    def cores(self, point: Point) -> float:
        """Return the cores that a fleet needs."""
        return self.exchange_s * point.exchanges + self.batch_s * point.rate + self.worker_s * point.workers

    def capacity(self, cores: float, group: float) -> float:
        """Return how many batches a second a server can serve.

        Args:
            cores: What it has for that.
            group: Batches per exchange.
        """
        return cores / (self.batch_s + self.exchange_s / group)


def fit(idle: Sequence[Point], busy: Sequence[Point]) -> Model:
    """Fit the model: a worker's cost to idle fleets, and then cost = a + b x group to exchanges of busy ones."""
    worker_s = fmean([point.server_cores / point.workers for point in idle]) if idle else 0.0
    costs = [(point.server_cores - worker_s * point.workers) / point.exchanges for point in busy]
    line = linear_regression([point.group for point in busy], costs)
    return Model(exchange_s=line.intercept, batch_s=line.slope, worker_s=worker_s)

"""A fleet of simulated workers: as many on sessions of their own as the server takes, the others through a pooler."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psycopg import sql
from psycopg.conninfo import make_conninfo
from simulation.loop import Loop
from simulation.session import Session
from simulation.worker import Orders, Tally, Worker

from evtrack.runtime.maintenance import LONGEST_TURN_S, Maintenance, pace_s
from evtrack.storage.connection.connect import behind_pooler, connect
from evtrack.storage.connection.listener import WORK
from evtrack.storage.queue.workers import bound_waits, lock_worker, register_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.storage.connection.connect import Connection

T = TypeVar("T")

_LONGEST_S: Final = 120.0
_LONGEST_CONNECT_S: Final = 60
"""A server that is busy with hundreds of workers starts a session late."""

_PASS_S: Final = 0.002
_MAINTENANCE_S: Final = 0.05


class Fleet:
    """The workers, and one thread that looks for lost ones for all, as one worker of a real fleet does.

    Args:
        dsn: The database.
        through: The connection string that leads through the pooler.
        direct: How many workers have sessions of their own, two each.
        slots: How many batches a worker runs at once.
    """

    def __init__(self, dsn: str, *, through: str | None, direct: int, slots: int) -> None:
        self._dsn, self._through, self._most_direct = dsn, through, direct
        self.orders, self.tally = Orders(slots=slots), Tally()
        self.workers: list[Worker] = []
        self._loop = Loop()
        self._connections: list[Connection] = []
        self._is_over = threading.Event()
        self._upkeep = threading.Thread(target=self._maintain, daemon=True)
        self._upkeep.start()

    @property
    def direct(self) -> int:
        """How many workers have sessions of their own."""
        return min(len(self.workers), self._most_direct)

    def grow(self, size: int) -> None:
        """Add workers.

        Args:
            size: How many there are to be.
        """
        self.orders.workers, self.orders.pace_s, self.orders.turn_s = size, pace_s(size), pace_s(size, LONGEST_TURN_S)
        while len(self.workers) < size:
            worker = self._register(len(self.workers))
            self.workers.append(worker)
            worker.start(self._loop)
            # Those that are there keep sending heartbeats.
            self._loop.run(monotonic() + _PASS_S)

    def run(self, seconds: float, **orders: Any) -> Tally:
        """Let the workers work.

        Args:
            seconds: For how long.
            orders: What changes of their orders before.

        Returns:
            What they did in that time.
        """
        if orders:
            for name, value in orders.items():
                setattr(self.orders, name, value)
            for worker in self.workers:
                worker.look_up(self._loop)
        before = replace(self.tally)
        self.tally.claims_s = []
        self._loop.run(monotonic() + seconds)
        now = self.tally
        return Tally(
            exchanges=now.exchanges - before.exchanges,
            completed=now.completed - before.completed,
            searches=now.searches - before.searches,
            beats=now.beats - before.beats,
            timeouts=now.timeouts - before.timeouts,
            claims_s=now.claims_s,
        )

    def run_during(self, call: Callable[[], T]) -> T:
        """Keep the workers running while another thread does something.

        Args:
            call: What it does.

        Returns:
            What the call returns.
        """
        with ThreadPoolExecutor(1) as thread:
            future = thread.submit(call)
            self._loop.run(monotonic() + _LONGEST_S, future.done)
            return future.result()

    def settle(self) -> None:
        """Let the workers report what they hold, and claim nothing more."""
        self.run(0.0, is_claiming=False)
        self._loop.run(monotonic() + _LONGEST_S, lambda: not any(worker.held for worker in self.workers))
        assert not any(worker.held for worker in self.workers)
        self.run(0.0, is_claiming=True, handler="none")

    def close(self) -> None:
        """End everything."""
        self._is_over.set()
        self._upkeep.join()
        for conn in self._connections:
            conn.close()

    def _register(self, number: int) -> Worker:
        dsn = self._dsn if number < self._most_direct else self._through
        assert dsn is not None, "there are more workers than sessions, and no pooler"
        patient = make_conninfo(dsn, connect_timeout=_LONGEST_CONNECT_S)
        conn, beats = connect(patient, purpose="worker"), connect(patient, purpose="worker's heartbeat")
        self._connections += [conn, beats]
        worker_id = register_worker(
            conn, name=f"w{number}", host="bench", pid=number, slots=self.orders.slots, handlers=["noop"], marks=True
        )
        lock_pid = None
        if not behind_pooler(beats):
            lock_pid = lock_worker(beats, worker_id)
            conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(WORK)))
        for each in (conn, beats):
            bound_waits(each)
        return Worker(
            worker_id=worker_id,
            session=Session(conn),
            heartbeat=Session(beats),
            lock_pid=lock_pid or 0,
            orders=self.orders,
            tally=self.tally,
        )

    def _maintain(self) -> None:
        maintenance = Maintenance()
        with connect(self._dsn, purpose="worker's upkeep") as conn:
            while not self._is_over.wait(_MAINTENANCE_S):
                maintenance.run_due(conn, monotonic())

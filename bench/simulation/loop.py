"""Runs tasks that wait for the server or for a time, all in one thread."""

from __future__ import annotations

import heapq
import selectors
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final

from simulation.session import LocksTaken

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult
    from simulation.session import Call, Session

_LONGEST_LOOK_S: Final = 0.05

Task = Generator["Ask | float", "list[PGresult] | None", None]
"""Yields what to ask, and gets the results or a LocksTaken; or yields when to go on, and gets None."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a task wants of the server."""

    session: Session
    calls: Sequence[Call]


class Loop:
    """Runs the tasks.

    A task that sleeps goes on at its time, or at once when it is woken.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._sleeping: list[tuple[float, int, Task]] = []
        self._turns: dict[Task, int] = {}
        self._numbers = count()
        self._waiting: dict[Session, Task] = {}
        self._on_notification: dict[Session, Callable[[], None]] = {}

    def add(self, task: Task) -> None:
        """Add a task, which begins at the next chance."""
        self._sleep(task, 0.0)

    def watch(self, session: Session, on_notification: Callable[[], None] | None = None) -> None:
        """Add a session.

        Args:
            on_notification: Called when a notification has arrived.
        """
        self._selector.register(session, selectors.EVENT_READ, session)
        if on_notification is not None:
            self._on_notification[session] = on_notification

    def wake(self, task: Task) -> None:
        """Let a sleeping task go on; one that waits for the server is left alone."""
        if task in self._turns:
            self._sleep(task, 0.0)

    def run(self, until: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Run the tasks.

        Args:
            until: The monotonic time at which to return.
            is_over: Whether to return before.
        """
        while (now := monotonic()) < until and not is_over():
            while self._sleeping and self._sleeping[0][0] <= now:
                _, turn, task = heapq.heappop(self._sleeping)
                if self._turns.get(task) == turn:
                    del self._turns[task]
                    self._advance(task, None)
            due_at = min([until, now + _LONGEST_LOOK_S, *[self._sleeping[0][0] for _ in self._sleeping[:1]]])
            for key, _ in self._selector.select(max(0.0, due_at - monotonic())):
                self._read(key.data)

    def _read(self, session: Session) -> None:
        if session.is_busy:
            try:
                results = session.receive()
            except LocksTaken as error:
                self._advance(self._waiting.pop(session), error)
            else:
                if results is not None:
                    self._advance(self._waiting.pop(session), results)
        if not session.is_busy and session in self._on_notification and session.has_notification():
            self._on_notification[session]()

    def _advance(self, task: Task, results: list[PGresult] | LocksTaken | None) -> None:
        try:
            wanted = task.throw(results) if isinstance(results, LocksTaken) else task.send(results)
        except StopIteration:
            return
        if isinstance(wanted, Ask):
            self._waiting[wanted.session] = task
            wanted.session.send(wanted.calls)
        else:
            self._sleep(task, wanted)

    def _sleep(self, task: Task, until: float) -> None:
        turn = self._turns[task] = next(self._numbers)
        heapq.heappush(self._sleeping, (until, turn, task))

"""A thread that does one task after the other and never keeps the supervisor waiting."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.runtime.waker import Waker

MOST_OWED: Final = 2
"""One task that runs and one that waits."""

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Idle(Protocol[Result_co]):
    """What the thread does while it has no task."""

    def wait(self) -> Result_co | None:
        """Wait until there is a task, or until something else happens: then return a result that nobody asked for."""
        ...

    def wake(self) -> None:
        """End the wait, which may not have begun yet: there is a task. Called by the supervisor's thread."""
        ...


class DatabaseThread(Generic[Result]):
    """Runs what the supervisor posts, one task at a time; while one runs, one more may wait.

    The thread is a daemon: a task that never returns does not keep the process alive.

    Args:
        waker: Wakes the supervisor when a result is ready.
        idle: What to do while there is no task; None for nothing.
    """

    def __init__(self, waker: Waker, idle: Idle[Result] | None = None) -> None:
        self._waker = waker
        self._idle = idle
        self._tasks: SimpleQueue[Callable[[], Result] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[bool, Result | None, BaseException | None]] = SimpleQueue()
        self.owed = 0
        """How many tasks were posted whose result was not taken; only the supervisor's thread reads and writes this."""
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a result is owed."""
        return self.owed > 0

    def post(self, task: Callable[[], Result]) -> None:
        """Start a task, after the one that may run now.

        Args:
            task: What to run. It must not touch what the supervisor may change meanwhile.
        """
        assert self.owed < MOST_OWED  # noqa: S101  what waits longer is about a state that has changed
        self.owed += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="evtrack-database", daemon=True)
            self._thread.start()
        self._put(task)

    def take(self) -> Result | None:
        """Return the next result: that of the task if it has ended, or before it one that nobody asked for; or None.

        Raises:
            BaseException: What the task raised.
        """
        with suppress(Empty):
            is_of_task, result, error = self._results.get_nowait()
            self.owed -= is_of_task
            if error is not None:
                raise error
            return result
        return None

    def finish(self, last: Callable[[], Result]) -> None:
        """Run a last task after the one that may run now, and end; nobody gets its result.

        Args:
            last: What to run.
        """
        if self._thread is not None:
            self._put(last)
            self._put(None)

    @property
    def has_ended(self) -> bool:
        """Whether the thread has ended, or was never started."""
        return self._thread is None or not self._thread.is_alive()

    def _put(self, task: Callable[[], Result] | None) -> None:
        self._tasks.put(task)
        if self._idle is not None:
            self._idle.wake()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            self._answer(task, is_task=True)
            del task  # with what it holds, while the thread waits

    def _next(self) -> Callable[[], Result] | None:
        if self._idle is None:
            return self._tasks.get()
        while True:
            with suppress(Empty):
                return self._tasks.get_nowait()
            self._answer(self._idle.wait, is_task=False)

    def _answer(self, call: Callable[[], Result | None], *, is_task: bool) -> None:
        try:
            answer: tuple[bool, Result | None, BaseException | None] = (is_task, call(), None)
        except BaseException as error:  # noqa: BLE001  it is raised again in the supervisor's thread
            answer = (is_task, None, error)
        if is_task or answer[1:] != (None, None):
            self._results.put(answer)
            del answer
            self._waker.set()

"""A thread that does one task at a time and never keeps the supervisor waiting."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.runtime.waker import Waker

Result = TypeVar("Result")


class DatabaseThread(Generic[Result]):
    """Runs what the supervisor posts; there is at most one task at a time, and its result is taken before the next.

    The thread is a daemon: a task that never returns does not keep the process alive.

    Args:
        waker: Wakes the supervisor when a result is ready.
    """

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._tasks: SimpleQueue[Callable[[], Result] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()
        self.is_busy = False
        """Whether a result is owed; only the supervisor's thread reads and writes this."""
        self._thread: threading.Thread | None = None

    def post(self, task: Callable[[], Result]) -> None:
        """Start a task; the one before has ended, and its result was taken.

        Args:
            task: What to run. It must not touch what the supervisor may change meanwhile.
        """
        assert not self.is_busy  # noqa: S101  a second task would have to wait, and the first result be mistaken for its
        self.is_busy = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="evtrack-database", daemon=True)
            self._thread.start()
        self._tasks.put(task)

    def take(self) -> Result | None:
        """Return the result of the task if it has ended, otherwise None.

        Raises:
            BaseException: What the task raised.
        """
        if not self.is_busy:
            return None
        with suppress(Empty):
            result, error = self._results.get_nowait()
            self.is_busy = False
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
            self._tasks.put(last)
            self._tasks.put(None)

    @property
    def has_ended(self) -> bool:
        """Whether the thread has ended, or was never started."""
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                answer: tuple[Result | None, BaseException | None] = (task(), None)
            except BaseException as error:  # noqa: BLE001  it is raised again in the supervisor's thread
                answer = (None, error)
            del task  # with what it holds, while the thread waits
            self._results.put(answer)
            del answer
            self._waker.set()

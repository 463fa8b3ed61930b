"""The thread for the database: one task at a time, results and errors, an end that nobody waits for."""

import select
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from evtrack.domain.errors import EvtrackError
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.database_thread import DatabaseThread
from polling import eventually


@pytest.fixture
def waker() -> Iterator[Waker]:
    one = Waker()
    yield one
    one.close()


def test_a_result_wakes_and_is_taken_once(waker: Waker) -> None:
    thread: DatabaseThread[str] = DatabaseThread(waker)
    assert thread.has_ended
    names: list[str] = []
    thread.post(lambda: names.append(threading.current_thread().name) or "done")
    assert select.select([waker.socket], [], [], 5)[0]
    assert (True, "done", False, None) == (thread.is_busy, thread.take(), thread.is_busy, thread.take())
    assert ["evtrack-database"] == names
    thread.finish(lambda: "end")
    eventually(lambda: thread.has_ended)


def test_an_error_is_raised_where_the_result_is_taken(waker: Waker) -> None:
    def fail() -> None:
        raise EvtrackError("no")

    thread: DatabaseThread[None] = DatabaseThread(waker)
    thread.post(fail)
    with pytest.raises(EvtrackError, match="no"):
        eventually(thread.take)
    assert not thread.is_busy
    thread.finish(lambda: None)


def test_the_last_task_runs_after_the_one_that_is_stuck_and_nobody_waits_for_it(waker: Waker) -> None:
    stuck, done = threading.Event(), threading.Event()
    thread: DatabaseThread[bool] = DatabaseThread(waker)
    thread.post(lambda: stuck.wait(10))
    thread.finish(lambda: done.set() or True)
    assert (False, None, False) == (thread.has_ended, thread.take(), done.is_set())
    stuck.set()
    assert done.wait(5)
    eventually(lambda: thread.has_ended)


class Doorbell:
    """Rings, while there is no task."""

    def __init__(self) -> None:
        self.rings: SimpleQueue[str | None] = SimpleQueue()

    def wait(self) -> str | None:
        return self.rings.get(timeout=30)

    def wake(self) -> None:
        self.rings.put(None)


def test_results_that_nobody_asked_for_come_in_their_turn(waker: Waker) -> None:
    doorbell = Doorbell()
    thread: DatabaseThread[str] = DatabaseThread(waker, doorbell)
    thread.post(lambda: "first")
    thread.post(lambda: "second")
    assert (2, "first", 1) == (thread.owed, eventually(thread.take), thread.owed)
    assert ("second", 0) == (eventually(thread.take), thread.owed)
    doorbell.rings.put("ring")
    assert ("ring", 0) == (eventually(thread.take), thread.owed)
    thread.finish(lambda: "end")
    eventually(lambda: thread.has_ended)


def test_a_thread_that_was_never_needed_has_nothing_to_finish(waker: Waker) -> None:
    thread: DatabaseThread[None] = DatabaseThread(waker)
    thread.finish(lambda: None)
    assert thread.has_ended

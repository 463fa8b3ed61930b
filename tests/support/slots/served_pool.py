"""Run a pool of real slots without a database."""

import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from evtrack.runtime.worker.slots.pool import SlotPool
from evtrack.runtime.worker.slots.process import SlotProcess
from polling import eventually
from slot_driver import slot_setup

T = TypeVar("T")


class ServedPool:
    """A pool of slots. Of the events of one moment, frames are handled before output.

    Args:
        count: How many slots work.
    """

    def __init__(self, count: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.ended = 0
        self.pool = SlotPool(
            setup=slot_setup(),
            count=count,
            max_batches=0,
            selector=self.selector,
            on_frame=self._take_outcome,
            on_exit=lambda *_: None,
            on_crash_loop=lambda _: None,
        )

    def serve(self, timeout_s: float = 0.05) -> None:
        """Wait for events, and handle them."""
        self.pool.maintain(time.monotonic())
        ready = [key for key, _ in self.selector.select(timeout_s)]
        sockets = {slot.channel.socket for slot in self.pool}
        for key in sorted(ready, key=lambda key: key.fileobj not in sockets):
            if key.fileobj in self.selector.get_map():
                key.data()

    def ready_slot(self) -> SlotProcess:
        """Wait until the slot takes batches."""
        return self.serve_until(lambda: self.pool.working)[0]

    def serve_until(self, is_reached: Callable[[], T]) -> T:
        """Serve until a condition is met, and return its answer."""

        def reached() -> T:
            self.serve()
            return is_reached()

        return eventually(reached)

    def await_ended(self, count: int) -> None:
        """Wait until so many batches have ended."""
        self.serve_until(lambda: self.ended == count)

    def _take_outcome(self, slot: SlotProcess, _frame: Any) -> None:
        slot.release(1)
        self.ended += 1


@contextmanager
def served_pool(count: int = 1) -> Iterator[ServedPool]:
    """Run a pool of slots."""
    served = ServedPool(count)
    try:
        yield served
    finally:
        served.pool.drain()
        served.pool.kill("stopping")
        while list(served.pool):
            served.serve()
        served.pool.close()
        served.selector.close()

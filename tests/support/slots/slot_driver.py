"""Drive one real slot without a database."""

import selectors
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.runtime.slot.protocol import Setup, SlotReady
from evtrack.runtime.worker.slots.fork_server_client import ForkServerClient
from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess
from workers import HANDLER_DIRECTORY


def slot_setup(**commands: list[str]) -> Setup:
    """Return the setup of a slot that offers tests/support/handlers/misbehaving_handlers.py and some programs."""
    return Setup(["misbehaving_handlers"], commands, [], HANDLER_DIRECTORY)


def claimed_batch(
    *items: Any, handler: str = "scripted", batch_no: int = 1, first: int = 1, attempt: int = 1
) -> ClaimedBatch:
    """Return a batch as a claim returns it, with the keys k1, k2 and so on."""
    keys = "\n".join(f"k{number}" for number in range(first, first + len(items)))
    payload = b"\n".join(msgspec.json.encode(item) for item in items)
    ordinals = f"{{[{first},{first + len(items)})}}"
    return ClaimedBatch(7, batch_no, attempt, handler.encode(), ordinals.encode(), keys.encode(), payload, None, None)


class SlotDriver:
    """A slot and the frames that it has sent so far.

    Args:
        process: The slot.
    """

    def __init__(self, process: SlotProcess) -> None:
        self.process = process
        self.frames: list[Any] = []
        self.death: SlotExit | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.channel.socket, selectors.EVENT_READ)
        self._selector.register(process.stderr.fd, selectors.EVENT_READ)

    def give(self, *rows: ClaimedBatch) -> None:
        """Hand over batches."""
        self.process.assign(rows, 0.0)

    def receive(self, count: int, timeout_s: float = 20.0) -> list[Any]:
        """Wait for this many frames after the slot is ready, and return them."""
        self._until(lambda: len(self.frames) >= count, timeout_s)
        return self.frames[:count]

    def wait_for_exit(self, timeout_s: float = 20.0) -> SlotExit:
        """Wait until the slot has exited, and return how."""

        def dead() -> bool:
            self.death = self.death or self.process.poll()
            return self.death is not None

        self._until(dead, timeout_s)
        self._read()
        assert self.death
        return self.death

    def _until(self, true: Any, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline, f"received only {self.frames}; stderr: {self.process.stderr.tail}"
            self._selector.select(0.02)
            self._read()

    def _read(self) -> None:
        self.process.channel.flush()
        if not self.process.closed:
            self.frames += self.process.channel.frames()
        while self.process.stderr.read():
            pass


@contextmanager
def slot(setup: Setup | None = None, *, ready: bool = True) -> Iterator[SlotDriver]:
    """Start a slot, by default wait until it is ready, and clean it up afterwards."""
    forks = ForkServerClient()
    one = SlotDriver(SlotProcess(setup=setup or slot_setup(), fork_server=forks))
    try:
        if ready:
            (ready_frame,) = one.receive(1)
            assert isinstance(ready_frame, SlotReady), ready_frame
            one.process.kinds = ready_frame.handlers
            one.frames.clear()
        yield one
    finally:
        if one.death is None:
            one.process.kill()
            one.wait_for_exit()
        one.process.close()
        forks.close()


def run_times(frames: Iterable[Any]) -> Sequence[float]:
    """Return the run times of all completed batches."""
    return [seconds for frame in frames for seconds in frame.run_s]

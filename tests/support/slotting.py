"""Drives one real slot without a database."""

import selectors
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.runtime.slot.protocol import Setup, SlotReady
from evtrack.runtime.worker.slots.fork_server_client import ForkServerClient
from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess

FOLDER = str(Path(__file__).parent)


def setup(**commands: list[str]) -> Setup:
    """Return what tells a slot to offer tests/misbehaving.py and some programs."""
    return Setup(["misbehaving"], commands, [], FOLDER)


def row(*items: Any, handler: str = "obey", batch_no: int = 1, first: int = 1, attempt: int = 1) -> ClaimedBatch:
    """Return a batch as a claim brings it; keys are k1, k2 and so on."""
    keys = "\n".join(f"k{number}" for number in range(first, first + len(items)))
    payload = b"\n".join(msgspec.json.encode(item) for item in items)
    ordinals = f"{{[{first},{first + len(items)})}}"
    return ClaimedBatch(7, batch_no, attempt, handler.encode(), ordinals.encode(), keys.encode(), payload, None, 0)


class OneSlot:
    """A slot, and what it has said so far.

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
        self.process.give(rows, 0.0)

    def hear(self, count: int, timeout_s: float = 20.0) -> list[Any]:
        """Wait for so many frames since the slot was ready, and return them."""
        self._until(lambda: len(self.frames) >= count, timeout_s)
        return self.frames[:count]

    def died(self, timeout_s: float = 20.0) -> SlotExit:
        """Wait for its end."""

        def dead() -> bool:
            self.death = self.death or self.process.death()
            return self.death is not None

        self._until(dead, timeout_s)
        self._read()
        assert self.death
        return self.death

    def _until(self, true: Any, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline, f"heard only {self.frames}; stderr: {self.process.stderr.tail}"
            self._selector.select(0.02)
            self._read()

    def _read(self) -> None:
        self.process.channel.push()
        if not self.process.closed:
            self.frames += self.process.channel.frames()
        while self.process.stderr.read():
            pass


@contextmanager
def slot(told: Setup | None = None, *, ready: bool = True) -> Iterator[OneSlot]:
    """Have a slot, ready unless said otherwise; nothing is left of it afterwards."""
    forks = ForkServerClient()
    one = OneSlot(SlotProcess(setup=told or setup(), forks=forks))
    try:
        if ready:
            (said,) = one.hear(1)
            assert isinstance(said, SlotReady), said
            one.process.kinds = said.handlers
            one.frames.clear()
        yield one
    finally:
        if one.death is None:
            one.process.kill()
            one.died()
        one.process.dispose()
        forks.close()


def run_times(frames: Iterable[Any]) -> Sequence[float]:
    """Return the run times of all completed batches."""
    return [seconds for frame in frames for seconds in frame.run_s]

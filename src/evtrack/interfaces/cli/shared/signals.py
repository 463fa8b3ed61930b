"""Stop on SIGTERM and Ctrl-C: the first one gracefully, the second at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from evtrack.interfaces.notices import notice


class ReceivedSignals:
    """The signals that arrived, in order."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __bool__(self) -> bool:
        """Whether any arrived."""
        return bool(self.numbers)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was among them."""
        return signal.SIGINT in self.numbers

    @property
    def exit_code(self) -> int:
        """The exit code that a shell gives to the first: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.numbers[0]


@contextmanager
def stop_on_signals(stop: Callable[[], None], *, hint: str) -> Iterator[ReceivedSignals]:
    """Call a function for each SIGTERM and SIGINT while the block runs.

    Args:
        stop: The function; it must only set flags.
        hint: What to tell the user after the first Ctrl-C; empty for nothing.

    Yields:
        The signals that arrived so far.
    """
    received = ReceivedSignals()

    def on_signal(number: int, _: FrameType | None) -> None:
        received.numbers.append(number)
        if hint and len(received.numbers) == 1 and number == signal.SIGINT:
            notice(hint)
        stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)

"""SIGTERM and Ctrl-C: the first asks to stop, the second to stop at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from evtrack.interfaces.notices import notice


class Signals:
    """Remember which signals came."""

    def __init__(self) -> None:
        self.received: list[int] = []

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was among them."""
        return signal.SIGINT in self.received

    @property
    def exit_code(self) -> int:
        """What a shell makes of the first of them: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.received[0]


@contextmanager
def stopping(stop: Callable[[], None], *, hint: str) -> Iterator[Signals]:
    """Call a function for each SIGTERM and SIGINT while the block runs.

    Args:
        stop: What to call; it only sets flags.
        hint: What to tell the user after the first; empty for nothing.

    Yields:
        The signals that came.
    """
    came = Signals()

    def on_signal(number: int, _: FrameType | None) -> None:
        came.received.append(number)
        if hint and len(came.received) == 1 and number == signal.SIGINT:
            notice(hint)
        stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)

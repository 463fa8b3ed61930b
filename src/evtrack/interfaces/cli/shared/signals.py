"""Stop on SIGTERM, SIGHUP and Ctrl-C: the first one gracefully, the second at once; on SIGQUIT at once."""

import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

from evtrack.interfaces.log_writer import WRITER
from evtrack.interfaces.notices import notice

_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_IGNORABLE: Final = (signal.SIGHUP, signal.SIGQUIT)
_PAUSE: Final = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class ReceivedSignals:
    """The signals that arrived, in order."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __bool__(self) -> bool:
        """Whether any arrived."""
        return bool(self.numbers)

    @property
    def interrupted(self) -> bool:
        """Whether the terminal sent one of them: for Ctrl-C, or Ctrl-backslash."""
        return signal.SIGINT in self.numbers or signal.SIGQUIT in self.numbers

    @property
    def exit_code(self) -> int:
        """The exit code that a shell gives to the first: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.numbers[0]


def _pass() -> None:
    """Do nothing."""


@contextmanager
def stop_on_signals(
    stop: Callable[[], None], *, hint: str, pause: Callable[[], None] | None = None, resume: Callable[[], None] = _pass
) -> Iterator[ReceivedSignals]:
    """Call a function for each signal that asks to stop while the block runs, twice for SIGQUIT.

    Args:
        stop: The function; it must only set flags.
        hint: What to tell the user after the first Ctrl-C; empty for nothing.
        pause: Called before the terminal stops this process, as Ctrl-Z does.
        resume: Called when it goes on, also after a stop that cannot be caught.

    Yields:
        The signals that arrived so far.
    """
    received = ReceivedSignals()
    show_hint = partial(notice, hint)

    def on_stop(number: int, _: FrameType | None) -> None:
        received.numbers.append(number)
        if hint and len(received.numbers) == 1 and number == signal.SIGINT:
            # Not here: the signal may have interrupted this thread while it holds a lock of the log or of stderr.
            WRITER.call(show_hint)
        stop()
        if number == signal.SIGQUIT:
            stop()

    def on_pause(number: int, _: FrameType | None) -> None:
        assert pause is not None  # noqa: S101  only then is it a handler
        pause()
        signal.signal(number, signal.SIG_DFL)
        # The shell sees that this process is stopped. It goes on behind this line.
        signal.raise_signal(number)
        signal.signal(number, on_pause)
        resume()

    # Who starts a process under nohup, or in the background, wants it to ignore a signal.
    before = {number: signal.signal(number, on_stop) for number in _STOP if not _is_ignored(number, _IGNORABLE)}
    if pause is not None:
        before |= {number: signal.signal(number, on_pause) for number in _PAUSE if not _is_ignored(number, _PAUSE)}
        before[signal.SIGCONT] = signal.signal(signal.SIGCONT, lambda *_: resume())
    try:
        yield received
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _is_ignored(number: int, ignorable: Collection[int]) -> bool:
    return number in ignorable and signal.getsignal(number) is signal.SIG_IGN

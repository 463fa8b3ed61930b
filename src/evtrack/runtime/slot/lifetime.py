"""Ties processes together: what ends a slot or a command, and what does not."""

import faulthandler
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from evtrack.runtime.slot.process_tree import prctl

_PR_SET_PDEATHSIG: Final = 1

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
"""Ask a whole service to stop, each of its processes. Only the supervisor reacts; everything else ends with it."""

TERMINAL_SIGNALS: Final = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""Stop the processes of a terminal. The supervisor stops its slots, and continues them."""

LIMIT_SIGNAL: Final = signal.SIGRTMAX - 1 if sys.platform == "linux" else signal.SIGXCPU
"""Ends a slot whose batch exceeds a limit; nothing else sends it."""

_ORPHANED: Final = signal.SIGRTMAX - 2 if sys.platform == "linux" else signal.SIGXFSZ
"""Tells a slot that waits for a command that the fork server is gone."""

STOP_WAIT_S: Final = 1.0
"""How long after one of STOP_SIGNALS ended a process its worker may learn that it is being stopped too."""

_STOP_POLL_S: Final = 0.01

_NEXT_SIGNAL_S: Final = 0.02
"""How much later than a process below it a slot may get the signal that is sent to all of them, one by one."""

_last_stop = -math.inf


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, where the kernel can (Linux).

    Elsewhere a slot notices when it next sends a frame to the supervisor.

    Args:
        parent_pid: The parent; if it is already gone, this process exits.
    """
    _signal_on_parent_death(signal.SIGKILL)
    # The parent may have died before the call.
    if os.getppid() != parent_pid:
        os._exit(1)


def survive_signals() -> None:
    """Record STOP_SIGNALS and go on: what is sent to a whole service is for the supervisor to act on.

    Called in the fork server, whose slots inherit it. A program that is started reacts to signals as any process does.
    """
    for number in STOP_SIGNALS:
        _handle_stop(number)
    for number in TERMINAL_SIGNALS:
        signal.signal(number, _do_nothing)


def let_copies_react() -> None:
    """Have copies that this process forks react to signals as any process does; called in a slot."""
    os.register_at_fork(after_in_child=_react_as_usual)


def has_stop_signal_since(begun: float) -> bool:
    """Return whether one of STOP_SIGNALS has arrived, which processes that a handler has started may have died of.

    Args:
        begun: Since this time on the monotonic clock.
    """
    return _last_stop >= begun


def await_stop_signal(begun: float) -> bool:
    """Wait a moment for one of STOP_SIGNALS that a process below this one has already reacted to.

    Args:
        begun: Since this time on the monotonic clock.

    Returns:
        Whether one has arrived.
    """
    deadline = time.monotonic() + _NEXT_SIGNAL_S
    while not has_stop_signal_since(begun) and time.monotonic() < deadline:
        time.sleep(_STOP_POLL_S)
    return has_stop_signal_since(begun)


def has_handlers_of_users() -> bool:
    """Return whether user code has changed what STOP_SIGNALS do: they may raise an exception then."""
    return any(signal.getsignal(number) is not _record_stop for number in STOP_SIGNALS)


def await_stop(is_stopping: Any) -> None:
    """Wait until the worker is being stopped too, at most for STOP_WAIT_S.

    Args:
        is_stopping: Returns whether it is.
    """
    deadline = time.monotonic() + STOP_WAIT_S
    while not is_stopping() and time.monotonic() < deadline:
        time.sleep(_STOP_POLL_S)


def prepare_command(slot_pid: int) -> None:
    """Make a command, between fork and exec, die with its slot and react to signals as any program does."""
    for number in signal.valid_signals():
        # Python itself ignores some, and subprocess sets them back.
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    die_with_parent(slot_pid)


@contextmanager
def command_signals() -> Iterator[None]:
    """Set the slot's signals while it waits for a command, whatever handlers in this slot have done to them.

    The end of a batch over its limit is the command's end, which receives SIGTERM as a member of the slot's process
    group. When the supervisor dies, the slot kills that group: a shell's children do not die with the shell.

    Yields:
        Nothing.
    """
    supervisor = os.getppid()
    faulthandler.unregister(LIMIT_SIGNAL)
    kept: dict[int, Any] = {number: _handle_stop(number) for number in STOP_SIGNALS}
    kept[LIMIT_SIGNAL] = signal.signal(LIMIT_SIGNAL, _do_nothing)
    kept[_ORPHANED] = signal.signal(_ORPHANED, _kill_group)
    # If it is ignored, the kernel drops the command's exit status.
    kept[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _signal_on_parent_death(_ORPHANED)
    try:
        if os.getppid() != supervisor:
            _kill_group()
        yield
    finally:
        _signal_on_parent_death(signal.SIGKILL)
        if os.getppid() != supervisor:
            _kill_group()
        for number, handler in kept.items():
            if handler is not None:  # native code has set it
                signal.signal(number, handler)
        dump_traceback_at_limit()


def dump_traceback_at_limit() -> None:
    """Have LIMIT_SIGNAL dump the traceback of each thread to stderr, even in native code, before the process ends."""
    faulthandler.unregister(LIMIT_SIGNAL)
    faulthandler.register(LIMIT_SIGNAL, file=2, all_threads=True, chain=True)


def _handle_stop(number: int) -> Any:
    earlier = signal.signal(number, _record_stop)
    # Native code that waits in a system call is not disturbed.
    signal.siginterrupt(number, False)  # noqa: FBT003  the signature of signal
    return earlier


def _record_stop(*_: object) -> None:
    global _last_stop  # noqa: PLW0603  signals arrive at a process
    _last_stop = time.monotonic()


def _react_as_usual() -> None:
    for number in (*STOP_SIGNALS, *TERMINAL_SIGNALS):
        if signal.getsignal(number) in {_record_stop, _do_nothing}:
            signal.signal(number, signal.SIG_DFL)


def _do_nothing(*_: object) -> None:
    pass


def _kill_group(*_: object) -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _signal_on_parent_death(number: int) -> None:
    prctl(_PR_SET_PDEATHSIG, number)

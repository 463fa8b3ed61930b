"""No slot outlives its supervisor, and no command its slot."""

import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, where the kernel can (Linux).

    Elsewhere a slot notices at its next word to the supervisor.

    Args:
        parent_pid: The parent; when it is gone already, this process ends here.
    """
    _hear_of_parents_death(signal.SIGKILL)
    # The parent may have died before the call.
    if os.getppid() != parent_pid:
        os._exit(1)


def start_mortal(slot_pid: int) -> None:
    """Make a command, between fork and exec, end with its slot and on SIGTERM as any program.

    Args:
        slot_pid: The slot.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent(slot_pid)


@contextmanager
def ending_with_its_group() -> Iterator[None]:
    """While a slot waits for a command: see to it that the command is told to end, and ends with all it started.

    SIGTERM is for the command, which gets it as a member of the slot's process group; when the supervisor dies, the
    slot kills that group, for a shell's children do not die with the shell.

    Yields:
        Nothing.
    """
    supervisor = os.getppid()
    kept = signal.signal(signal.SIGTERM, signal.SIG_IGN), signal.signal(signal.SIGHUP, _kill_group)
    _hear_of_parents_death(signal.SIGHUP)
    try:
        if os.getppid() != supervisor:
            _kill_group()
        yield
    finally:
        _hear_of_parents_death(signal.SIGKILL)
        if os.getppid() != supervisor:
            _kill_group()
        for number, handler in zip((signal.SIGTERM, signal.SIGHUP), kept, strict=True):
            signal.signal(number, handler)
        trace_on_sigterm()


def trace_on_sigterm() -> None:
    """Have SIGTERM tell on stderr where each thread is, also within native code, before it ends the process."""
    faulthandler.unregister(signal.SIGTERM)
    faulthandler.register(signal.SIGTERM, file=2, all_threads=True, chain=True)


def _kill_group(*_: object) -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _hear_of_parents_death(number: int) -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  it costs a few milliseconds, and only here

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)

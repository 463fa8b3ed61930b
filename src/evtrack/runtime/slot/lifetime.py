"""Ties processes together: no slot outlives its supervisor, and no command outlives its slot."""

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

    Elsewhere a slot notices when it next sends a frame to the supervisor.

    Args:
        parent_pid: The parent; if it is already gone, this process exits.
    """
    _signal_on_parent_death(signal.SIGKILL)
    # The parent may have died before the call.
    if os.getppid() != parent_pid:
        os._exit(1)


def prepare_command(slot_pid: int) -> None:
    """Make a command, between fork and exec, die with its slot and react to SIGTERM as any program does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent(slot_pid)


@contextmanager
def command_signals() -> Iterator[None]:
    """Set the slot's signals while it waits for a command.

    SIGTERM is meant for the command, which receives it as a member of the slot's process group. When the supervisor
    dies, the slot kills that group: a shell's children do not die with the shell.

    Yields:
        Nothing.
    """
    supervisor = os.getppid()
    kept = signal.signal(signal.SIGTERM, signal.SIG_IGN), signal.signal(signal.SIGHUP, _kill_group)
    _signal_on_parent_death(signal.SIGHUP)
    try:
        if os.getppid() != supervisor:
            _kill_group()
        yield
    finally:
        _signal_on_parent_death(signal.SIGKILL)
        if os.getppid() != supervisor:
            _kill_group()
        for number, handler in zip((signal.SIGTERM, signal.SIGHUP), kept, strict=True):
            signal.signal(number, handler)
        dump_traceback_on_sigterm()


def dump_traceback_on_sigterm() -> None:
    """Have SIGTERM dump the traceback of each thread to stderr, even inside native code, before the process ends."""
    faulthandler.unregister(signal.SIGTERM)
    faulthandler.register(signal.SIGTERM, file=2, all_threads=True, chain=True)


def _kill_group(*_: object) -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _signal_on_parent_death(number: int) -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  its import takes a few milliseconds, and only Linux needs it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)

"""Starts a program from what its worker was, whatever handlers in the same slot have changed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evtrack.runtime.slot import exec_program
from evtrack.runtime.slot.exec_program import encode_request, restore_limits
from evtrack.runtime.slot.lifetime import prepare_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _soft_limits() -> dict[int, int]:
    kinds = {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    return {kind: resource.getrlimit(kind)[0] for kind in sorted(kinds)}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@dataclass(frozen=True, slots=True)
class StartState:
    """What a process inherits, as it was when the worker started: handlers in the same slot may change all of it.

    Args:
        directory: The current directory.
        environment: The environment.
        umask: The mask of new files' modes.
        limits: The soft limits of the process.
        cpus: The processors that it may use; None where that is unknown.
    """

    directory: str = field(default_factory=os.getcwd)
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    umask: int = field(default_factory=_umask)
    limits: dict[int, int] = field(default_factory=_soft_limits)
    cpus: frozenset[int] | None = field(
        default_factory=lambda: frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    )


_start: StartState | None = None


def record_start() -> None:
    """Record what programs inherit; called in the fork server, where no user code runs."""
    global _start  # noqa: PLW0603  a process starts once
    _start = StartState()


def recorded_start() -> StartState:
    """Return what was recorded, or else what this process inherits now."""
    return _start or StartState()


def start_program(argv: Sequence[str], environment: dict[str, str], start: StartState) -> subprocess.Popen[bytes]:
    """Start a program that dies with this slot, with pipes for its input and output.

    Args:
        argv: The program and its arguments.
        environment: Its environment.
        start: What else it inherits.

    Returns:
        The process.

    Raises:
        OSError: It cannot be started.
    """
    slot_pid = os.getpid()
    if not _has_threads():

        def prepare() -> None:
            restore_limits(start.limits, start.cpus)
            prepare_command(slot_pid)

        # Nothing else runs in this process, so code between fork and exec finds no lock held.
        return _spawn(argv, environment, start, preexec_fn=prepare)
    # A new interpreter prepares its process and then becomes the program.
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as errors:
        try:
            request = encode_request(slot_pid, write_end, start.limits, start.cpus)
            words = [sys.executable, "-P", "-m", exec_program.__name__, *request, *argv]
            process = _spawn(words, environment, start, pass_fds=(write_end,))
        finally:
            os.close(write_end)
        # The pipe is closed when the program begins.
        failure = errors.read()
    if failure:
        with process:
            process.kill()
        raise OSError(int(failure), os.strerror(int(failure)), argv[0])
    return process


def _spawn(
    argv: Sequence[str],
    environment: dict[str, str],
    start: StartState,
    *,
    preexec_fn: Callable[[], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  the argument list comes from whoever started the worker
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=start.directory,
        env=environment,
        umask=start.umask,
        preexec_fn=preexec_fn,  # noqa: PLW1509  see where it is made
        pass_fds=pass_fds,
    )


def _has_threads() -> bool:
    try:
        # Threads of native code too, such as those of a numeric library.
        return len(os.listdir("/proc/self/task")) > 1  # noqa: PTH208  pathlib is not loaded in slots
    except OSError:
        threading = sys.modules.get("threading")
        return threading is not None and threading.active_count() > 1

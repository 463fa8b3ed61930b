"""Becomes a program, after undoing what handlers in its slot have changed.

A slot with threads runs it as ``python -P -m evtrack.runtime.slot.exec_program``: there, code between fork and exec
could find a lock held that nobody will release. It imports little, since each program waits for it.
"""

import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from evtrack.runtime.slot.lifetime import prepare_command

_ARGUMENTS: Final = 4


def restore_limits(limits: Mapping[int, int], cpus: frozenset[int] | None) -> None:
    """Set the limits of this process back, as far as the hard limits allow.

    Args:
        limits: The soft limits, by kind.
        cpus: The processors that it may use; None where that is unknown.
    """
    for kind, soft in limits.items():
        now, hard = resource.getrlimit(kind)
        if now != soft:
            is_above = hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard)
            with suppress(OSError, ValueError):
                resource.setrlimit(kind, (hard if is_above else soft, hard))
    if cpus is not None and cpus != os.sched_getaffinity(0):
        with suppress(OSError):
            os.sched_setaffinity(0, cpus)


def encode_request(slot_pid: int, errors_fd: int, limits: Mapping[int, int], cpus: frozenset[int] | None) -> list[str]:
    """Return the arguments that stand before those of the program.

    Args:
        slot_pid: The slot, with which the program dies.
        errors_fd: A pipe to write the number of an error to; it is closed when the program begins.
        limits: As for `restore_limits`.
        cpus: The same.
    """
    pairs = ",".join(f"{kind}={soft}" for kind, soft in limits.items())
    return [str(slot_pid), str(errors_fd), pairs, "" if cpus is None else ",".join(map(str, sorted(cpus)))]


def main(arguments: list[str]) -> None:
    """Become a program.

    Args:
        arguments: What `encode_request` returns, then the program and its arguments.
    """
    (slot_pid, errors_fd, pairs, cpus), argv = arguments[:_ARGUMENTS], arguments[_ARGUMENTS:]
    os.set_inheritable(int(errors_fd), False)  # noqa: FBT003  the signature of os
    limits = dict(pair.split("=") for pair in pairs.split(",") if pair)
    restore_limits(
        {int(kind): int(soft) for kind, soft in limits.items()},
        frozenset(map(int, cpus.split(","))) if cpus else None,
    )
    prepare_command(int(slot_pid))
    try:
        os.execvp(argv[0], argv)  # noqa: S606  the argument list comes from whoever started the worker
    except OSError as error:
        os.write(int(errors_fd), str(error.errno).encode())
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The process that starts slots: it has imported what each needs, and forks itself when it is told to.

Started once by a supervisor, as ``python -P -m evtrack.runtime.slot.fork_server SOCKET_FD PARENT_PID``. It has one
thread, no connection and no user code: handlers' modules are imported in the slots, so that one which dies on import
or starts threads takes nothing else along.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

from evtrack.runtime.slot import (
    child,
    command,  # noqa: F401  here, so that no slot has to import it
)
from evtrack.runtime.slot.fork_protocol import ANSWER, DESCRIPTORS, ORDER, START, Answer
from evtrack.runtime.slot.lifetime import die_with_parent

_NOT_ITS_OWN: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Sent to all processes of a service at once, and for the supervisor to hear: this one ends with it, not before."""


def main(arguments: list[str]) -> int:
    """Start slots until there is no supervisor.

    Args:
        arguments: Descriptor of the socket, and the parent's process id.

    Returns:
        The exit code; of a slot, in which this returns too.
    """
    channel_fd, parent_pid = map(int, arguments)
    die_with_parent(parent_pid)
    for number in _NOT_ITS_OWN:
        signal.signal(number, signal.SIG_IGN)
    del sys.argv[1:]
    gc.collect()
    # What is here is shared with all slots, as long as none of them moves it about.
    gc.freeze()
    own_pid = os.getpid()
    with socket.socket(fileno=channel_fd) as channel:
        os.set_inheritable(channel_fd, False)  # noqa: FBT003  the signature of os
        descriptors = _serve(channel)
    if not descriptors:
        return 0
    for number in _NOT_ITS_OWN:
        signal.signal(number, signal.SIG_DFL)
    return child.main(*descriptors, parent_pid=own_pid)


def _serve(channel: socket.socket) -> list[int]:
    """Obey until the supervisor is gone; in each slot this returns its descriptors."""
    while True:
        order, descriptors, _, _ = socket.recv_fds(channel, ORDER.size, DESCRIPTORS)
        if len(order) < ORDER.size:
            return []
        kind, number = ORDER.unpack(order)
        if kind == START:
            answer = _fork()
            if answer.pid == 0:
                return descriptors
            for fd in descriptors:
                os.close(fd)
        else:
            answer = _look(number)
        channel.sendall(ANSWER.pack(*answer))


def _fork() -> Answer:
    try:
        pid = os.fork()
    except OSError as error:
        return Answer(-(error.errno or 1))
    # By both, since either may be first: what kills a slot kills its group, and must never miss it.
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
    return Answer(pid)


def _look(pid: int) -> Answer:
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return Answer(0)
    # While the leader is a zombie nobody else can have its number, so this reaches its children and no stranger.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return Answer(pid, status, usage.ru_maxrss * unit, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

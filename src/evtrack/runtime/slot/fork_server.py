"""The fork server: a process that has imported what every slot needs, and forks itself to start one.

A supervisor starts it once, as ``python -P -m evtrack.runtime.slot.fork_server SOCKET_FD PARENT_PID``. It has one
thread, no database connection and no user code: slots import the handlers' modules, so a module that dies on import or
starts threads affects only its own slot.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

from evtrack.runtime.slot import child
from evtrack.runtime.slot.fork_protocol import DESCRIPTORS, REPLY, REQUEST, START, ForkReply
from evtrack.runtime.slot.lifetime import die_with_parent

_SUPERVISORS_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Sent to all processes of a service at once. The supervisor handles them; the fork server ends with it, not before."""


def main(arguments: list[str]) -> int:
    """Start slots until the supervisor is gone.

    Args:
        arguments: The socket's descriptor, and the parent's process id.

    Returns:
        The exit code: of the fork server, and of every slot that it forks.
    """
    channel_fd, parent_pid = map(int, arguments)
    die_with_parent(parent_pid)
    for number in _SUPERVISORS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    del sys.argv[1:]
    gc.collect()
    # Slots share these pages of memory until something writes to them.
    gc.freeze()
    own_pid = os.getpid()
    with socket.socket(fileno=channel_fd) as channel:
        os.set_inheritable(channel_fd, False)  # noqa: FBT003  the signature of os
        descriptors = _serve(channel)
    if not descriptors:
        return 0
    for number in _SUPERVISORS_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    return child.main(*descriptors, parent_pid=own_pid)


def _serve(channel: socket.socket) -> list[int]:
    """Serve requests until the supervisor is gone; in each forked slot, return the slot's descriptors."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, REQUEST.size, DESCRIPTORS)
        if len(request) < REQUEST.size:
            return []
        kind, number = REQUEST.unpack(request)
        if kind == START:
            reply = _fork()
            if reply.pid == 0:
                return descriptors
            for fd in descriptors:
                os.close(fd)
        else:
            reply = _poll(number)
        channel.sendall(REPLY.pack(*reply))


def _fork() -> ForkReply:
    try:
        pid = os.fork()
    except OSError as error:
        return ForkReply(-(error.errno or 1))
    # In both processes, since either may run first: a kill of the slot's group must never miss the slot.
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
    return ForkReply(pid)


def _poll(pid: int) -> ForkReply:
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return ForkReply(0)
    # While the leader is a zombie no other process can have its pid, so this kills only the leader's own children.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return ForkReply(pid, status, usage.ru_maxrss * unit, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

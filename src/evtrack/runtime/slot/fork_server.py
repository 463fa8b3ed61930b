"""The fork server: a process that has imported what every slot needs, and forks itself to start one.

A supervisor starts it once, as ``python -P -m evtrack.runtime.slot.fork_server SOCKET_FD PARENT_PID FILES``. It has one
thread, no database connection and no user code: slots import the handlers' modules, so a module that dies on import or
starts threads affects only its own slot. It adopts what slots start and do not wait for, and ends it with its slot, or
at the latest with the supervisor.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Final

from evtrack.runtime.slot import child
from evtrack.runtime.slot.fork_protocol import DESCRIPTORS, POLL, REPLY, REQUEST, START, ForkReply
from evtrack.runtime.slot.leftovers import Leftovers
from evtrack.runtime.slot.lifetime import survive_signals
from evtrack.runtime.slot.process_tree import become_subreaper
from evtrack.runtime.slot.program_start import record_start

_OBSERVE_S: Final = 1.0
"""How often to look at what slots have started."""
_OBSERVE_SHARE: Final = 0.005
"""Most time that may take, as a share of all: slots may have hundreds of threads and child processes."""


def main(arguments: list[str]) -> int:
    """Start slots until the supervisor is gone.

    Args:
        arguments: The socket's descriptor, the parent's process id, and the soft limit of open files.

    Returns:
        The exit code: of the fork server, and of every slot that it forks.
    """
    channel_fd, parent_pid, open_files = map(int, arguments)
    # The supervisor may need more, and has raised its own.
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    _set_signals()
    become_subreaper()
    record_start()
    del sys.argv[1:]
    gc.collect()
    # Slots share these pages of memory until something writes to them.
    gc.freeze()
    own_pid = os.getpid()
    with socket.socket(fileno=channel_fd) as channel:
        os.set_inheritable(channel_fd, False)  # noqa: FBT003  the signature of os
        descriptors = ForkServer(channel, parent_pid).serve()
    return child.main(*descriptors, parent_pid=own_pid) if descriptors else 0


class ForkServer:
    """Starts slots, reports how they ended, and ends what they leave.

    Args:
        channel: The socket to the supervisor.
        parent_pid: The supervisor.
    """

    def __init__(self, channel: socket.socket, parent_pid: int) -> None:
        self._channel = channel
        self._parent_pid = parent_pid
        self._leftovers = Leftovers()
        self._observe_at = time.monotonic() + _OBSERVE_S

    def serve(self) -> list[int]:
        """Serve requests until the supervisor is gone; in each forked slot, return the slot's descriptors."""
        readable = select.poll()
        readable.register(self._channel, select.POLLIN)
        with suppress(OSError):  # the supervisor is gone
            while self._observe():
                if not readable.poll(max(0.0, self._observe_at - time.monotonic()) * 1000):
                    continue
                request, descriptors, _, _ = socket.recv_fds(self._channel, REQUEST.size, DESCRIPTORS)
                if len(request) < REQUEST.size:
                    break
                kind, number = REQUEST.unpack(request)
                reply = self._reply(kind, number, descriptors)
                if reply is None:
                    return descriptors
                for fd in descriptors:
                    os.close(fd)
                self._channel.sendall(REPLY.pack(*reply))
        self._leftovers.end_all()
        return []

    def _observe(self) -> bool:
        """Look at what slots have started, and return whether the supervisor is there."""
        now = time.monotonic()
        if now >= self._observe_at:
            self._leftovers.observe()
            took_s = time.monotonic() - now
            self._observe_at = now + max(_OBSERVE_S, took_s / _OBSERVE_SHARE)
        # Not only the end of the channel shows that it is gone: a copy of it may hold that open.
        return os.getppid() == self._parent_pid

    def _reply(self, kind: bytes, number: int, descriptors: list[int]) -> ForkReply | None:
        """Return the reply to a request; None in a forked slot."""
        if kind == START:
            reply = _fork()
            if reply.pid == 0:
                return None
            if reply.pid > 0:
                self._leftovers.add_slot(reply.pid, descriptors[-1])
            return reply
        if kind == POLL:
            return self._poll(number)
        self._leftovers.observe()
        return ForkReply(0)

    def _poll(self, pid: int) -> ForkReply:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return ForkReply(0)
        self._leftovers.end_slot(pid)
        _, status, usage = os.wait4(pid, 0)
        unit = 1 if sys.platform == "darwin" else 1024
        return ForkReply(pid, status, usage.ru_maxrss * unit, usage.ru_utime + usage.ru_stime)


def _set_signals() -> None:
    """Survive what is for the supervisor to act on, and ignore nothing, whatever whoever started it had set."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN and number not in {signal.SIGPIPE, signal.SIGXFSZ}:
            signal.signal(number, signal.SIG_DFL)
    survive_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _fork() -> ForkReply:
    try:
        pid = os.fork()
    except OSError as error:
        return ForkReply(-(error.errno or 1))
    # In both processes, since either may run first: a kill of the slot's group must never miss the slot.
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
    return ForkReply(pid)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The supervisor's side of the fork server: starts it, asks it for slots, and asks how they ended."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import BadArgument
from evtrack.runtime.slot.fork_protocol import OBSERVE, POLL, REPLY, REQUEST, START, ForkReply
from evtrack.runtime.slot.leftovers import kill_leftovers, kill_tree
from evtrack.runtime.slot.process_tree import SLOT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST_REPLY_S: Final = 60.0
"""Timeout of the first reply: an interpreter has to start and import, on any machine."""
_REPLY_S: Final = 5.0
"""Timeout of later replies: no request takes nearly as long, unless the fork server is stopped."""
_END_S: Final = 5.0
"""How long it may take to end what slots have started."""


_OWN_VARIABLES: Final = "EVTRACK_"
_SECRET_VARIABLES: Final = frozenset({"DATABASE_URL", "PGPASSWORD"})
"""Set by others, for evtrack among others."""

_FILES_OF_SLOT: Final = 4
"""Channel, shared page, stderr and the descriptor of the process."""
_FILES_OF_WORKER: Final = 64


def slot_environment(environment: Mapping[str, str], kept: Sequence[str] = ()) -> dict[str, str]:
    """Return the environment of slots and programs: without evtrack's own variables and the database's password.

    Args:
        environment: The worker's.
        kept: Names of variables that slots get nevertheless.
    """
    return {
        name: value
        for name, value in environment.items()
        # A worker that a slot has started is not a slot of that slot's fork server.
        if name != SLOT_VARIABLE
        and (name in kept or not (name.startswith(_OWN_VARIABLES) or name in _SECRET_VARIABLES))
    }


def reserve_open_files(slots: int) -> int:
    """Raise the limit of open files to what a worker with this many slots needs.

    Args:
        slots: The number of slots.

    Returns:
        The limit before, which slots and programs get.

    Raises:
        BadArgument: The system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    # With the spare slot, and as many that have not quite ended while others take their place.
    least = _FILES_OF_WORKER + _FILES_OF_SLOT * (slots + 1)
    wanted = least + _FILES_OF_SLOT * slots
    if hard != unlimited and hard < least:
        fit = max(0, (hard - _FILES_OF_WORKER) // _FILES_OF_SLOT - 1)
        raise BadArgument(
            f"{slots} slots need {least} open files, and this process may open {hard}: at most {fit} slots fit",
            hint="Raise the limit (ulimit -Hn, or LimitNOFILE= of a systemd unit), or use fewer slots or more workers.",
        )
    if soft != unlimited and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == unlimited else min(wanted, hard), hard))
    return soft


class ForkServerGone(OSError):
    """The fork server does not reply; its slots die with it."""


class ForkServerClient:
    """Runs one fork server; once it is gone, it stays gone.

    Args:
        open_files: The soft limit of open files of slots; None for this process's.
        kept_variables: Names of variables that slots get although they may hold secrets of evtrack.
    """

    def __init__(self, *, open_files: int | None = None, kept_variables: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair()
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if open_files is None else open_files
        numbers = map(str, (theirs.fileno(), os.getpid(), soft))
        argv = [sys.executable, "-P", "-m", "evtrack.runtime.slot.fork_server", *numbers]
        self.inherited = soft, slot_environment(os.environ, kept_variables)
        """The limit of open files and the environment that slots inherit."""
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=self.inherited[1],
            )
        ours.settimeout(_FIRST_REPLY_S)
        self._channel = ours
        self.is_gone = False

    @property
    def pid(self) -> int:
        """The fork server's process."""
        return self._process.pid

    def start(self, channel_fd: int, page_fd: int, stderr_fd: int) -> int:
        """Start a slot in a process group of its own.

        Args:
            channel_fd: The slot's end of its channel.
            page_fd: Its shared page.
            stderr_fd: The pipe for its output.

        Returns:
            The slot's process.

        Raises:
            ForkServerGone: The fork server does not reply.
            OSError: The system cannot start another process.
        """
        reply = self._request(START, 0, [channel_fd, page_fd, stderr_fd])
        if reply.pid < 0:
            raise OSError(-reply.pid, os.strerror(-reply.pid))
        return reply.pid

    def poll(self, pid: int) -> ForkReply | None:
        """Ask whether a slot has ended; if it has, its whole process group is gone.

        Args:
            pid: The slot, whose end has not been reported yet.

        Returns:
            How it ended, or None while it lives.

        Raises:
            ForkServerGone: The fork server does not reply.
        """
        reply = self._request(POLL, pid)
        return reply if reply.pid else None

    def observe(self) -> None:
        """Have it look at what slots have started: one of them is about to be ended.

        Raises:
            ForkServerGone: The fork server does not reply.
        """
        self._request(OBSERVE, 0)

    def close(self) -> None:
        """End the fork server, and with it its remaining slots and what they have started.

        A second call does nothing.
        """
        self._end(_END_S)

    def _end(self, wait_s: float) -> None:
        self.is_gone = True
        self._channel.close()
        if self._process.returncode is not None:
            return
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            kill_tree(self.pid)
            self._process.wait()
        kill_leftovers(self.pid)

    def _request(self, kind: bytes, pid: int, descriptors: Sequence[int] = ()) -> ForkReply:
        if self.is_gone:
            raise ForkServerGone("the fork server is gone")
        try:
            socket.send_fds(self._channel, [REQUEST.pack(kind, pid)], list(descriptors))
            reply = self._channel.recv(REPLY.size, socket.MSG_WAITALL)
        except OSError as error:
            self._end(0.0)
            raise ForkServerGone(str(error)) from error
        if len(reply) < REPLY.size:
            self._end(0.0)
            raise ForkServerGone("the fork server has exited")
        self._channel.settimeout(_REPLY_S)
        return ForkReply(*REPLY.unpack(reply))


_ahead: list[ForkServerClient] = []


def start_ahead() -> None:
    """Start a fork server before anybody needs it: it imports while this process does."""
    if not _ahead:
        _ahead.append(ForkServerClient())


def take_fork_server(open_files: int, kept_variables: Sequence[str]) -> ForkServerClient:
    """Return the fork server that was started ahead, or start one if there is none or slots would inherit other things.

    Args:
        open_files: The soft limit of open files of slots.
        kept_variables: Names of variables that slots get although they may hold secrets of evtrack.
    """
    if _ahead and _ahead[0].inherited == (open_files, slot_environment(os.environ, kept_variables)):
        return _ahead.pop()
    close_ahead()
    return ForkServerClient(open_files=open_files, kept_variables=kept_variables)


def close_ahead() -> None:
    """End the fork server that was started ahead, if nobody has taken it."""
    while _ahead:
        _ahead.pop().close()

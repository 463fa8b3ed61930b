"""The fork server as its supervisor sees it: started, told to start slots, asked how they ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from evtrack.runtime.slot.fork_protocol import ANSWER, LOOK, ORDER, START, Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEGIN_S: Final = 60.0
"""How long it may take to answer first: an interpreter has to start and import, on whatever machine this is."""
_ANSWER_S: Final = 5.0
"""How long it may take to answer: it does nothing that could take so long, unless it is stopped."""


class ForkServerGone(OSError):
    """The fork server does not answer, and its slots go with it."""


class ForkServerClient:
    """One process that starts slots; when it is gone it stays gone."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        argv = [sys.executable, "-P", "-m", "evtrack.runtime.slot.fork_server", str(theirs.fileno()), str(os.getpid())]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        ours.settimeout(_BEGIN_S)
        self._channel = ours
        self.is_gone = False

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def start(self, channel_fd: int, page_fd: int, stderr_fd: int) -> int:
        """Start a slot in a process group of its own.

        Args:
            channel_fd: Its end of the channel.
            page_fd: The page that it shares.
            stderr_fd: Where it may write.

        Returns:
            Its process.

        Raises:
            ForkServerGone: It does not answer.
            OSError: The system has no room for another process.
        """
        answer = self._ask(START, 0, [channel_fd, page_fd, stderr_fd])
        if answer.pid < 0:
            raise OSError(-answer.pid, os.strerror(-answer.pid))
        return answer.pid

    def look(self, pid: int) -> Answer | None:
        """Ask whether a slot has ended; if so, nothing of its process group is left.

        Args:
            pid: The slot, which nobody has been told the end of.

        Returns:
            How it ended, or None while it lives.

        Raises:
            ForkServerGone: It does not answer.
        """
        answer = self._ask(LOOK, pid)
        return answer if answer.pid else None

    def close(self) -> None:
        """End it, and with it what is left of its slots. A second time does nothing."""
        self.is_gone = True
        self._channel.close()
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()

    def _ask(self, kind: bytes, pid: int, descriptors: Sequence[int] = ()) -> Answer:
        if self.is_gone:
            raise ForkServerGone("the fork server is gone")
        try:
            socket.send_fds(self._channel, [ORDER.pack(kind, pid)], list(descriptors))
            said = self._channel.recv(ANSWER.size, socket.MSG_WAITALL)
        except OSError as error:
            self.close()
            raise ForkServerGone(str(error)) from error
        if len(said) < ANSWER.size:
            self.close()
            raise ForkServerGone("the fork server has ended")
        self._channel.settimeout(_ANSWER_S)
        return Answer(*ANSWER.unpack(said))

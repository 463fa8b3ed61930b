"""Wakes a thread that waits in a selector; safe to use from signal handlers and other threads."""

import contextlib
import socket


class Waker:
    """Makes its socket readable until it is cleared."""

    def __init__(self) -> None:
        self.socket, self._far = socket.socketpair()
        self.socket.setblocking(False)  # noqa: FBT003  the signature of socket
        self._far.setblocking(False)  # noqa: FBT003  the same

    def set(self) -> None:
        """Wake the waiting thread, now or at its next wait."""
        # A full socket is already set; a closed one has no waiting thread.
        with contextlib.suppress(BlockingIOError, OSError):
            self._far.send(b"!")

    def clear(self) -> None:
        """Clear all wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends."""
        self.socket.close()
        self._far.close()

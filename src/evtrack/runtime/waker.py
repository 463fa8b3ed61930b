"""A wake-up for a thread that waits in a selector; safe to give from signal handlers and other threads."""

import contextlib
import socket


class Waker:
    """Makes its socket readable until it is cleared."""

    def __init__(self) -> None:
        self.socket, self._far = socket.socketpair()
        self.socket.setblocking(False)  # noqa: FBT003  the signature of socket
        self._far.setblocking(False)  # noqa: FBT003  the same

    def set(self) -> None:
        """Wake whoever waits, now or at the next wait."""
        # Full means that it is set already, closed that nobody waits any more.
        with contextlib.suppress(BlockingIOError, OSError):
            self._far.send(b"!")

    def clear(self) -> None:
        """Take notice of all wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends."""
        self.socket.close()
        self._far.close()

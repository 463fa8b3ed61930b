"""Wakes a thread that waits in a selector; safe to use from signal handlers and other threads."""

import contextlib
import selectors
import socket
from typing import Final

_MOST: Final = 4096


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

    def wait(self, timeout_s: float | None) -> bool:
        """Wait in this thread.

        Args:
            timeout_s: How long at most; None for as long as it takes.

        Returns:
            Whether it was woken.
        """
        # Not select(), which takes no descriptor above 1023.
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))

    def clear(self) -> None:
        """Clear all wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while len(self.socket.recv(_MOST)) == _MOST:
                pass

    def close(self) -> None:
        """Close both ends."""
        self.socket.close()
        self._far.close()

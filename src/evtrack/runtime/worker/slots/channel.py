"""The supervisor's end of the channel to a slot: frames out as far as it takes them, and in as they come."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from evtrack.runtime.slot.framing import FrameReader, encode
from evtrack.runtime.slot.protocol import FromSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evtrack.runtime.slot.protocol import ToSlot

_PIECE_BYTES: Final = 1 << 18
_READS: Final = 64
"""Reads of one slot before the others get their turn."""
_BUFFER_BYTES: Final = 1 << 20


class SlotChannel:
    """Speaks with one slot, and never waits for it.

    Args:
        ours: The end that stays here.
    """

    def __init__(self, ours: socket.socket) -> None:
        self.socket = ours
        self.on_piece: Callable[[], object] = lambda: None
        """Called when something was received, before it is taken apart."""
        self.closed = False
        self._inbox = FrameReader(FromSlot)
        self._unsent: deque[memoryview] = deque()

    @classmethod
    def pair(cls) -> tuple[SlotChannel, socket.socket]:
        """Make a channel.

        Returns:
            Our side, and the slot's end.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            # Room for a whole group, so that neither side waits for the other within one.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        ours.setblocking(False)  # noqa: FBT003  the signature of socket
        return cls(ours), theirs

    def say(self, frame: ToSlot) -> None:
        """Send a frame, as far as the channel takes it now.

        Args:
            frame: What to say.
        """
        self._unsent.append(memoryview(encode(frame)))
        self.push()

    def push(self) -> None:
        """Send what is left to send, as far as the channel takes it."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                rest = self._unsent[0]
                sent = self.socket.send(rest)
                if sent < len(rest):
                    self._unsent[0] = rest[sent:]
                else:
                    self._unsent.popleft()

    @property
    def is_clogged(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent) and not self.closed

    def frames(self) -> Iterable[Any]:
        """Yield what the slot has said; notes when it has closed its end.

        Yields:
            Frames, in order.
        """
        for _ in range(_READS):
            try:
                piece = self.socket.recv(_PIECE_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                piece = b""
            if not piece:
                self.closed = True
                return
            self.on_piece()
            self._inbox.feed(piece)
            yield from self._inbox.frames()

    def hang_up(self) -> None:
        """Say that no more comes, also of what was not sent yet; what the slot says is still heard."""
        self._unsent.clear()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close our end."""
        self.socket.close()

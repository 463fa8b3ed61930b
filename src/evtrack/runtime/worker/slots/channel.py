"""The supervisor's end of the channel to a slot: sends and receives frames without waiting."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from evtrack.runtime.slot.framing import FrameReader, encode_frame
from evtrack.runtime.slot.protocol import FromSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evtrack.runtime.slot.protocol import ToSlot

_PIECE_BYTES: Final = 1 << 18
_READS: Final = 64
"""Reads from one slot before the other slots get their turn."""
_BUFFER_BYTES: Final = 1 << 20


class SlotChannel:
    """Exchanges frames with one slot, and never waits for it.

    Args:
        ours: The supervisor's end.
    """

    def __init__(self, ours: socket.socket) -> None:
        self.socket = ours
        self.on_receive: Callable[[], object] = lambda: None
        """Called when data was received, before its frames are read."""
        self.closed = False
        self._reader = FrameReader(FromSlot)
        self._unsent: deque[memoryview] = deque()

    @classmethod
    def pair(cls) -> tuple[SlotChannel, socket.socket]:
        """Create a channel.

        Returns:
            The supervisor's side, and the slot's end.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            # Room for a whole group of batches, so that neither side waits for the other within one.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        ours.setblocking(False)  # noqa: FBT003  the signature of socket
        return cls(ours), theirs

    def send(self, frame: ToSlot) -> None:
        """Send a frame, as far as the channel has room; `flush` sends the rest."""
        self._unsent.append(memoryview(encode_frame(frame)))
        self.flush()

    def flush(self) -> None:
        """Send what is still unsent, as far as the channel has room."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                rest = self._unsent[0]
                sent = self.socket.send(rest)
                if sent < len(rest):
                    self._unsent[0] = rest[sent:]
                else:
                    self._unsent.popleft()

    @property
    def has_unsent(self) -> bool:
        """Whether data waits to be sent."""
        return bool(self._unsent) and not self.closed

    def frames(self) -> Iterable[Any]:
        """Yield the received frames; notice when the slot has closed its end.

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
            self.on_receive()
            self._reader.feed(piece)
            yield from self._reader.frames()

    def close_sending(self) -> None:
        """Close the sending direction and drop what is unsent; frames from the slot are still received."""
        self._unsent.clear()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the supervisor's end."""
        self.socket.close()

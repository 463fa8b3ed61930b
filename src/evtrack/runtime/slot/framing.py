"""Frames as bytes: msgpack with a length before each."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.runtime.slot.protocol import FromSlot, ToSlot

_HEAD: Final = struct.Struct("!I")

MAX_FRAME_BYTES: Final = 1 << 30
"""Longest frame: several times what the largest batch needs, and no more than a supervisor may be made to hold."""

_encoder = msgspec.msgpack.Encoder()


class FrameReader:
    """Puts frames together from the pieces that a socket delivers.

    Args:
        frames: The union of frames that may come; anything else raises.
    """

    __slots__ = ("_buffer", "_decode")

    def __init__(self, frames: Any) -> None:
        self._buffer = bytearray()
        self._decode = msgspec.msgpack.Decoder(frames).decode

    def feed(self, data: bytes) -> None:
        """Take what was received.

        Args:
            data: Any number of bytes.
        """
        self._buffer += data

    def frames(self) -> Iterator[Any]:
        """Yield the frames that are complete.

        Yields:
            Frames, in order.

        Raises:
            ValueError: What came is no frame of the expected kinds.
        """
        buffer = self._buffer
        start = 0
        try:
            while len(buffer) - start >= _HEAD.size:
                size = _HEAD.unpack_from(buffer, start)[0]
                if size > MAX_FRAME_BYTES:
                    raise ValueError(f"a frame of {size} bytes is announced, longer than {MAX_FRAME_BYTES}")
                end = start + _HEAD.size + size
                if len(buffer) < end:
                    return
                with memoryview(buffer) as view:
                    frame = self._decode(view[start + _HEAD.size : end])
                start = end
                yield frame
        finally:
            if start:
                del buffer[:start]


def encode(frame: ToSlot | FromSlot) -> bytearray:
    """Write a frame as bytes.

    Args:
        frame: What to say.

    Returns:
        Its length and its content.

    Raises:
        ValueError: The frame is longer than a length prefix can say.
    """
    body = bytearray(_HEAD.size)
    _encoder.encode_into(frame, body, _HEAD.size)
    size = len(body) - _HEAD.size
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {size} bytes is longer than {MAX_FRAME_BYTES}: make the batches smaller")
    _HEAD.pack_into(body, 0, size)
    return body

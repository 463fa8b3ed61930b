"""Frames as bytes: msgpack, each with its length before it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.runtime.slot.protocol import FromSlot, ToSlot

_HEAD: Final = struct.Struct("!I")

MAX_FRAME_BYTES: Final = 1 << 30
"""Longest frame: several times what the largest batch needs, and a bound on what a slot can make a supervisor hold."""

_encoder = msgspec.msgpack.Encoder()


class FrameReader:
    """Assembles frames from the pieces that a socket delivers.

    Args:
        frames: The union of the expected frames; any other raises an error.
    """

    __slots__ = ("_buffer", "_decode")

    def __init__(self, frames: Any) -> None:
        self._buffer = bytearray()
        self._decode = msgspec.msgpack.Decoder(frames).decode

    def feed(self, data: bytes) -> None:
        """Add received bytes.

        Args:
            data: Any number of bytes.
        """
        self._buffer += data

    def frames(self) -> Iterator[Any]:
        """Yield the complete frames.

        Yields:
            Frames, in order.

        Raises:
            ValueError: The bytes are not a frame of an expected kind.
        """
        buffer = self._buffer
        start = 0
        try:
            while len(buffer) - start >= _HEAD.size:
                size = _HEAD.unpack_from(buffer, start)[0]
                if size > MAX_FRAME_BYTES:
                    raise ValueError(f"a frame announces {size} bytes, the limit is {MAX_FRAME_BYTES}")
                end = start + _HEAD.size + size
                if len(buffer) < end:
                    return
                with memoryview(buffer) as view:
                    try:
                        frame = self._decode(view[start + _HEAD.size : end])
                    except (RecursionError, MemoryError) as error:
                        raise ValueError(f"a frame cannot be decoded: {error}") from None
                start = end
                yield frame
        finally:
            if start:
                del buffer[:start]


def encode_frame(frame: ToSlot | FromSlot) -> bytearray:
    """Encode a frame.

    Returns:
        Its length and its content.

    Raises:
        ValueError: The frame is too long.
    """
    body = bytearray(_HEAD.size)
    _encoder.encode_into(frame, body, _HEAD.size)
    size = len(body) - _HEAD.size
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {size} bytes exceeds the limit of {MAX_FRAME_BYTES}: make the batches smaller")
    _HEAD.pack_into(body, 0, size)
    return body

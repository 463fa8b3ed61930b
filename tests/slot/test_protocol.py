"""Frames are complete however the stream is cut, and unexpected ones are refused."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.runtime.slot.framing import FrameReader, encode_frame
from evtrack.runtime.slot.protocol import BatchesDone, BatchPartlyDone, FromSlot, Setup, SlotReady, ToSlot, Work

FRAMES = [
    SlotReady({"a": "item"}),
    BatchesDone(1, [0.5, 0.25], [b"1", None]),
    BatchesDone(3, [0.5], None),
    BatchPartlyDone(4, 0.1, None, []),
]


@given(st.lists(st.integers(0, 200), max_size=20))
def test_frames_are_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(encode_frame(frame) for frame in FRAMES)
    inbox = FrameReader(FromSlot)
    heard = []
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(places):
        inbox.feed(stream[start:end])
        heard += inbox.frames()
    assert FRAMES == heard


def test_payloads_pass_unchanged() -> None:
    rows = [(1, 2, 3, b"h", b"{[1,2)}", b"key", b'{"\xc3\xbc": 1}', None, b"marked")]
    inbox = FrameReader(ToSlot)
    inbox.feed(encode_frame(Work(1, rows)))
    assert [Work(1, rows)] == list(inbox.frames())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        msgspec.msgpack.encode({"setup": 1}),
        encode_frame(Setup([], {}, [], ""))[4:],
        encode_frame(FRAMES[1])[4:-3],
    ],
)
def test_an_invalid_frame_is_refused(body: bytes) -> None:
    inbox = FrameReader(FromSlot)
    inbox.feed(len(body).to_bytes(4, "big") + body)
    with pytest.raises(ValueError, match=r"\w"):
        list(inbox.frames())

"""Hostile bytes harm none of their readers: frames, marks of output, JSON arrays and lines; see `bin/bench fuzz`."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz_targets import KEY, SEEDS, TARGETS

# Words of all formats, so that random inputs are more than noise.
WORDS = [
    *(b"\x1eevtrack:", KEY, b":1:2:j\x1f", b":1:0:t\x1f", b":\x1f", b'{"event": "a"}', b"\x1e", b"\x1f"),
    *(b'"', b"\\", b",", b"[", b"]", b"{", b"}", b" ", b"1", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xff", "ü".encode()),
    *(b"\x95\xa4done\x01", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\x90", b"\x91" * 2000, b"\xc0", b"\xdd\xff\xff"),
    *(b"\x00\x00\x00\x08", b"x" * 50),
]
INPUTS = st.builds(
    lambda cut, parts: bytes([cut]) + b"".join(parts),
    st.integers(0, 15),
    st.lists(st.sampled_from(WORDS) | st.binary(max_size=4), max_size=20),
)


@pytest.mark.parametrize("name", TARGETS)
def test_its_reader_keeps_its_promises_on_known_inputs(name: str) -> None:
    for seed in SEEDS[name]:
        for cut in range(16):
            TARGETS[name](bytes([cut]) + seed[1:])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, deadline=None)
@example(data=b"")
@given(data=INPUTS)
def test_its_reader_keeps_its_promises(name: str, data: bytes) -> None:
    TARGETS[name](data)

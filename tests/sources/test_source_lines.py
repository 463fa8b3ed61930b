"""Lines are the same whatever the block size, and a long one is never kept in memory."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.sources.lines import read_lines
from evtrack.sources.records import InvalidItem, Record


def read(*blocks: bytes, **options: int) -> list[Record]:
    return [record for group in read_lines(blocks, **options) for record in group]


def test_lines_have_a_number_and_an_end_offset() -> None:
    assert [(1, b"ab", 3), (3, b"c", 6), (4, b"de", 8)] == read(b"ab\n\nc\nde")


def test_white_space_is_not_an_item_and_carriage_returns_are_removed() -> None:
    assert [(1, b"a", 3), (4, b"b", 12)] == read(b"a\r\n \t\r\n\r\nb\r\n")


def test_a_byte_order_mark_is_skipped() -> None:
    assert [(1, b"a", 5), (2, b"b", 7)] == read(b"\xef\xbb\xbfa\nb\n")


def test_reading_can_resume_from_an_offset() -> None:
    assert [(3, b"c", 6)] == read(b"c\n", offset=4, line=2)


def test_an_empty_block_yields_an_empty_group() -> None:
    assert [[], [(1, b"a", 2)]] == list(read_lines([b"", b"a\n"]))


def test_invalid_utf8_makes_only_its_line_invalid() -> None:
    (first, bad, last) = read("ä\n".encode() + b'"\xff"\n' + "ö\n".encode())
    assert ("ä".encode(), "ö".encode()) == (first[1], last[1])
    assert InvalidItem("not valid UTF-8: byte 2 is 0xff") == bad[1]


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_line_above_the_limit_is_invalid_and_the_next_one_is_found(cut: int) -> None:
    text = b"ok\n" + b"x" * 12 + b"\nnext\n"
    records = read(text[:cut], text[cut:], max_item_bytes=8)
    assert [(1, b"ok", 3), (3, b"next", 21)] == [records[0], records[2]]
    assert (2, InvalidItem("the item has 12 bytes, more than --max-item-bytes (8)"), 16) == records[1]


def test_lines_above_the_limit_may_follow_each_other_over_a_border_of_blocks() -> None:
    records = read(b"x" * 50, b"x\n" + b"y" * 50, b"\n1\n", max_item_bytes=10)
    assert ["51 bytes", "50 bytes"] == [record[1].reason[13:21] for record in records[:2]]  # type: ignore[union-attr]
    assert b"1" == records[2][1]


def test_a_long_line_is_not_kept_in_memory() -> None:
    import tracemalloc  # noqa: PLC0415  # slows everything down while it is on

    def blocks() -> Iterator[bytes]:
        yield b"1\n"
        for _ in range(50):
            yield b"x" * 1_000_000
        yield b"\n2\n"

    tracemalloc.start()
    records = [record for group in read_lines(blocks(), max_item_bytes=4_000_000) for record in group]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [1, 2, 3] == [line for line, _, _ in records]
    assert InvalidItem("the item has 50000000 bytes, more than --max-item-bytes (4000000)") == records[1][1]
    assert peak < 12_000_000


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6), st.integers(1, 40))
def test_the_block_size_changes_nothing(text: bytes, cuts: list[int], limit: int) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    blocks = [text[a:b] for a, b in pairwise(places)]
    assert read(text, max_item_bytes=limit) == read(*blocks, max_item_bytes=limit)


@given(st.binary(max_size=200))
def test_reading_can_resume_after_every_line(text: bytes) -> None:
    whole = read(text)
    for place, (line, _, end) in enumerate(whole):
        assert whole[place + 1 :] == read(text[end:], offset=end, line=line or 0)

"""A .json file is one item, or the elements of its array."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.sources.json_document import read_json
from evtrack.sources.records import InvalidItem, Record

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def read(*blocks: bytes, **options: int) -> list[Record]:
    return [record for group in read_json(blocks, **options) for record in group]


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def test_an_object_over_several_lines_is_one_item_on_one_line() -> None:
    assert [(None, b'{"a":1.0,"b":"x\\ny"}', 28)] == read(b'{"a": 1.0,\r\n "b": "x\\ny"\n}  ')


def test_an_array_yields_its_elements_with_their_positions() -> None:
    assert [(1, b'{"a":1}', 9), (2, b"2", 12), (3, b'"]"', 15)] == read(b'[{"a":1}, 2,"]"]')


@pytest.mark.parametrize("text", [b"[]", b" [ ] ", b"\xef\xbb\xbf[]\n"])
def test_an_empty_array_has_no_items(text: bytes) -> None:
    assert [] == read(text)


@given(st.lists(VALUES, min_size=1, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]))
def test_an_array_is_split_between_its_elements(values: list[object], size: int, indent: int | None) -> None:
    records = read(*pieces(json.dumps(values, indent=indent).encode(), size))
    assert values == [json.loads(item) for _, item, _ in records if isinstance(item, bytes)]
    assert list(range(1, len(values) + 1)) == [line for line, _, _ in records]
    assert all(b"\n" not in item for _, item, _ in records if isinstance(item, bytes))


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_reading_can_resume_after_every_element_of_an_array(values: list[object]) -> None:
    text = json.dumps(values).encode()
    whole = read(text)
    for place, (line, _, end) in enumerate(whole):
        assert whole[place + 1 :] == read(text[end:], offset=end, line=line or 0)


def test_an_element_above_the_limit_is_invalid_and_the_next_one_is_found() -> None:
    text = b'[1, "' + b"x" * 40 + b'", {"a":[2]}]'
    records = read(*pieces(text, 7), max_item_bytes=16)
    assert [b"1", b'{"a":[2]}'] == [records[0][1], records[2][1]]
    assert isinstance(records[1][1], InvalidItem)
    assert "--max-item-bytes (16)" in records[1][1].reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b'{"a":\n1', "broken JSON"),
        (b'{"a":1}\n{"a":2}\n', "use --format jsonl"),
        (b"[1, 2", "ends inside"),
        (b"[1,,2]", "missing between two commas"),
        (b"[1] x", "after the end of the array"),
        (b'{"a":"\n\xff"}', "not valid UTF-8"),
    ],
)
def test_each_invalid_item_is_explained(text: bytes, reason: str) -> None:
    reasons = [item.reason for _, item, _ in read(text) if isinstance(item, InvalidItem)]
    assert 1 == len(reasons)
    assert reason in reasons[0]


def test_a_document_above_the_limit_is_invalid() -> None:
    (record,) = read(*pieces(b'{"a":"' + b"x" * 50 + b'"}', 8), max_item_bytes=20)
    assert (None, InvalidItem("the item has 58 bytes, more than --max-item-bytes (20)"), 58) == record

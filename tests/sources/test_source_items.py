"""The key and weight of an item, and what makes it invalid."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.domain.errors import BadArgument
from evtrack.sources.item_reader import InvalidItemError, ItemReader
from evtrack.sources.records import InvalidItem

BOTH = ("db", "id")


@pytest.mark.parametrize(
    ("key", "item", "expected"),
    [
        (BOTH, b'{"db":"P","id":"1","x":[{"id":3}]}', "P:1"),
        (BOTH, b'{"id":12345678901234567890123,"db":"P"}', "P:12345678901234567890123"),
        (BOTH, b'{"db":"P","id":1.5}', "P:1.5"),
        (("id",), b'{"id":1,"id":2}', "2"),
        (("a b",), b'{"a b":"x"}', "x"),
        (("id",), '{"id":"ä ö"}'.encode(), "ä ö"),
        ((), b'{"id":"x"}', "x"),
        ((), b'{"id":0}', "0"),
        ((), b'{"id":null}', "f:7"),
        ((), b'{"id":{"a":1}}', "f:7"),
        ((), b'{"a":1}', "f:7"),
        ((), b'"text"', "f:7"),
        ((), b"3", "f:7"),
        ((".",), b'"text"', "text"),
        ((".",), b"3", "3"),
    ],
)
def test_the_key_comes_from_the_configured_fields(key: tuple[str, ...], item: bytes, expected: str) -> None:
    assert (expected, 1) == ItemReader(key=key).read(item, "f", 7)


def test_an_item_without_a_line_is_named_by_its_file() -> None:
    assert ("f.json", 1) == ItemReader().read(b"{}", "f.json", None)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (b'{"db":"P",', "broken JSON"),
        (b'{"db":"P","id":"1"} x', "broken JSON"),
        (b'{"db":"P","id":NaN}', "broken JSON"),
        (b'{"db":"P","id":"a\x00b"}', "NUL character"),
        (b"null", "null is not an item"),
        (b"[1]", "an array is not an item"),
        (b'{"db":"P"}', "the key field 'id' is missing"),
        (b'{"db":"P","id":null}', "the key field 'id' is null"),
        (b'{"db":"P","id":true}', "the key field 'id' is true or false"),
        (b'{"db":"P","id":[]}', "the key field 'id' is a list"),
        (b'{"db":{},"id":"1"}', "the key field 'db' is an object"),
        (b'{"db":"P","id":""}', "the key field 'id' is empty"),
        (b'"text"', "text, not an object"),
        (b'{"db":"P","id":"a\\u0000"}', "control character (U+0000)"),
        (b'{"db":"P","id":"a\\nb"}', "control character (U+000A)"),
        (b'{"db":"P","id":"' + b"k" * 999 + b'"}', "1001 bytes"),
        (b'{"db":"P","id":"1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_each_invalid_item_is_explained(item: bytes, reason: str) -> None:
    with pytest.raises(InvalidItemError) as unfit:
        ItemReader(key=BOTH).read(item, "f", 7)
    assert reason in unfit.value.reason


@pytest.mark.parametrize(
    ("item", "reason"), [(b'""', "the key is empty"), (b"true", "true or false, not text or a number")]
)
def test_an_item_that_cannot_be_its_own_key_is_invalid(item: bytes, reason: str) -> None:
    with pytest.raises(InvalidItemError, match=reason):
        ItemReader(key=(".",)).read(item, "f", 7)


def test_a_weight_is_the_sum_of_the_lengths_of_lists_and_at_least_one() -> None:
    reader = ItemReader(key=("id",), weight=("d", "a"))
    assert ("1", 5) == reader.read(b'{"id":1,"d":[{},[2,3]],"a":[1,2,3]}', "f", 1)
    assert ("1", 1) == reader.read(b'{"id":1,"d":[]}', "f", 1)
    assert ("1", 2) == reader.read(b'{"id":1,"d":null,"a":[0,0]}', "f", 1)
    assert ("1", 1) == reader.read(b'{"id":1,"d":"text","a":{"b":1}}', "f", 1)


def test_a_key_function_overrides_fields() -> None:
    reader = ItemReader(key_of={3: "three"}.get)
    assert ("three", 1) == reader.read(b'{"id":1}', "f", 3)
    assert ("three", 1) == reader.read(b'"text"', "f", 3)


def test_arrays_can_be_items_if_allowed() -> None:
    assert ("f:1", 1) == ItemReader(arrays=True).read(b"[1]", "f", 1)


@pytest.mark.parametrize(
    ("key", "weight", "says"),
    [
        (("a", ""), (), "key: a field name is empty: ['a', '']"),
        ((), ("",), "weight: a field name is empty: ['']"),
        ((".", "a"), (), "key: the field . means the item itself"),
        ((".",), ("a",), "key: the field . means the item itself"),
        (("a", "b", "a"), (), "key: the field 'a' is named twice"),
        (("a",), ("d", "d"), "weight: the field 'd' is named twice"),
        (("a", "b"), ("d", "b"), "weight: the field 'b' is the key"),
        ((), ("id",), "weight: the field 'id' is read as the default key"),
        (('a"b',), (), "contains a quote"),
        ((), ("a\\b",), r"weight: the field name 'a\\b' contains"),
        (("a\n",), (), r"key: the field name 'a\n' contains"),
        (("\udcff",), (), "invalid UTF-8"),
    ],
)
def test_invalid_fields_are_rejected(key: tuple[str, ...], weight: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadArgument) as refused:
        ItemReader(key=key, weight=weight)
    assert says in refused.value.message


@pytest.mark.parametrize("name", ["id", "a b", "ä", "'", "{}", "\x7f", "\u2028"])
def test_every_other_field_name_is_readable(name: str) -> None:
    reader = ItemReader(key=(name,), weight=(f"{name}s",))
    assert ("1", 2) == reader.read(json.dumps({name: 1, f"{name}s": [1, 2]}).encode(), "f", 1)


_VALUES = (
    b'"a"',
    '"ä\u00a0"'.encode(),
    b'""',
    b'"a\\u0000"',
    b'"\\ud800"',
    b'"' + b"k" * 300 + b'"',
    b"0",
    b"-1.50",
    b"1e400",
)
_VALUES += (b"12345678901234567890123", b"null", b"true", b"[1,2]", b"{}", b"NaN", b"[" * 2_000, b'"a\0"', b'"\xff"')
_ITEMS = (b"[]", b"null", b"3", b'"text"', b"", b'{"id":1,"id":2}', b'{"id":1}{}', b'{"id":1,}', InvalidItem("reason"))


@given(
    st.lists(
        st.sampled_from(_ITEMS)
        | st.builds(lambda one, two: b'{"id":%b,"x":[%b],"w":%b}' % (one, two, two), *[st.sampled_from(_VALUES)] * 2),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([{}, {"key": ("id",)}, {"key": ("id", "w")}, {"key": (".",)}, {"weight": ("w",)}, {"key_of": str}]),
)
def test_many_items_at_once_are_read_as_one_by_one(items: list[bytes], options: dict[str, Any]) -> None:
    reader = ItemReader(**options)
    lines = [None, *range(2, len(items) + 1)]
    if read := reader.read_all(items, "f", lines):
        assert list(zip(*read, strict=True)) == [
            reader.read(item, "f", line) for item, line in zip(items, lines, strict=True)
        ]


@pytest.mark.parametrize("key", [(), ("id",), BOTH])
def test_valid_items_are_read_at_once(key: tuple[str, ...]) -> None:
    items = [b'{"id":1,"db":"P"}', b'{"id":"b","db":2.5,"x":null}']
    expected = ["P:1", "2.5:b"] if key == BOTH else ["1", "b"]
    assert (expected, [1, 1]) == ItemReader(key=key).read_all(items, "f", [1, 2])

"""Errors are grouped by what stays the same: type, place and the shape of the message."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from client import Client

pytestmark = pytest.mark.integration

_PIECES = st.sampled_from(
    (
        *"'\"`/\\ \n-<>.,:é—_{(=%",
        *("a", "don't", "0x", "12", "deadbeef12", "C:\\x", "://", "http", "<n>", "<path>", "“x”"),
        "3f2c1a90-1b2c-4d5e-8f90-0123456789ab",
    )
)
MESSAGES = st.lists(_PIECES | st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40).map(
    "".join
)


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("invalid literal for int() with base 10: 'x17'", "invalid literal for int() with base <n>: <text>"),
        ("'PMC123'", "<text>"),
        ("can't open \"a.pdf\": it isn't there", "can't open <text>: it isn't there"),
        ("[Errno 2] No such file: /data/2026/x 1.pdf", "[Errno <n>] No such file: <path> <n>.pdf"),
        ("cannot read C:\\data\\7.pdf", "cannot read <path>"),
        ("cannot read data/in/7", "cannot read <path>"),
        ("cannot read data/7.pdf", "cannot read <path>"),
        ("read/write error, and/or 3/4", "read/write error, and/or <n>/<n>"),
        ("GET https://example.org/a?b=1 returned 503", "GET <url> returned <n>"),
        ("no user 3F2C1A90-1b2c-4d5e-8f90-0123456789ab", "no user <id>"),
        ("object at 0x7f3a2c", "object at <id>"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit <id>"),
        ("job 01ARZ3NDEKTSV4RRFFQ69G5FAV", "job <id>"),
        ("took -1.5 s of 1,000", "took <n> s of <n>"),
        ("PMC123 has no abstract", "PMC<n> has no abstract"),
        ("missing: [1, 2, 3]", "missing: [<n>]"),
        ("missing: ['a', 'b']", "missing: [<text>]"),
        ("first\n  second", "first second"),
        ("not closed: 'abc", "not closed: abc"),
        ("", ""),
        (None, None),
    ],
)
def test_the_shape_of_a_message_has_placeholders_for_what_differs(
    client: Client, message: str | None, shape: str | None
) -> None:
    assert shape == client.one("SELECT evtrack.error_shape(%s)", message)


@given(MESSAGES)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_shape_of_any_message_is_stable_and_its_own_shape(client: Client, message: str) -> None:
    (row,) = client.rows(
        "WITH s AS (SELECT evtrack.error_shape(%s) AS shape)"
        " SELECT shape, evtrack.error_shape(shape) AS again, evtrack.error_fingerprint('E', %s) AS one,"
        " evtrack.error_fingerprint('E', shape) AS two FROM s",
        message,
        message,
    )
    assert row["shape"] == row["again"]
    assert row["one"] == row["two"]
    assert len(row["shape"]) <= 200
    assert not any(character in "0123456789" for character in row["shape"])


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_is_too_strange_for_a_place_or_a_fingerprint(client: Client, text: str) -> None:
    client.one("SELECT evtrack.error_place(%s)", text)
    client.one("SELECT evtrack.error_place(%s)", f'File "{text}", line 1, in {text}')
    assert 12 == len(client.one("SELECT evtrack.error_fingerprint(%s, %s, %s)", text, text, text))


def test_a_long_message_is_cut_before_it_is_read(client: Client) -> None:
    assert 200 >= len(client.one("SELECT evtrack.error_shape(%s)", "'x" * 500_000))


def test_the_place_is_the_last_frame_outside_of_libraries(client: Client) -> None:
    traceback = (
        "Traceback (most recent call last):\n"
        '  File "/srv/app/releases/{}/handlers.py", line {}, in annotate\n    parse(payload)\n'
        '  File "/srv/app/parsing.py", line 7, in parse\n    json.loads(text)\n'
        '  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode\n    raise\n'
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)\n"
    )
    place = "SELECT evtrack.error_place(%s)"
    assert "parsing.py in parse" == client.one(place, traceback.format(1, 2))
    only_library = '  File "/venv/lib/python3.11/site-packages/x/y.py", line 3, in z\nE: no\n'
    assert "y.py in z" == client.one(place, only_library)
    assert client.one(place, "no traceback") is None
    assert client.one(place, None) is None
    first, second = (traceback.format(*each) for each in (("20261101", 12), ("20261125", 40)))
    fingerprint = "SELECT evtrack.error_fingerprint('E', %s, evtrack.error_place(%s))"
    assert client.one(fingerprint, "no item 7", first) == client.one(fingerprint, "no item 12", second)
    assert client.one(fingerprint, "no item 7", first) != client.one(fingerprint, "no user 7", first)
    assert client.one(fingerprint, "no item 7", first) != client.one(fingerprint, "no item 7", only_library)
    assert client.one("SELECT evtrack.error_fingerprint(NULL, NULL)")


@given(MESSAGES, st.integers(0, 99), st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_errors_with_the_same_key_have_the_same_fingerprint(
    client: Client,
    message: str,
    number: int,
    has_trace: bool,  # noqa: FBT001
) -> None:
    texts = [message.replace("a", str(number)), message.replace("a", str(99 - number)), f"{message}{number}"]
    errors = [
        {"type": "E", "message": text}
        | ({"traceback": f'  File "x1.py", line 7, in f1\nE: {text}\n'} if has_trace else {})
        for text in texts
    ]
    rows = client.rows(
        "SELECT evtrack.error_key(e) AS key, evtrack.fingerprint_of(e) AS fingerprint FROM unnest(%s::jsonb[]) e",
        [Jsonb(error) for error in [*errors, {"items": errors[:1]}]],
    )
    fingerprints: dict[bytes, set[str]] = {}
    for row in rows:
        fingerprints.setdefault(row["key"], set()).add(row["fingerprint"])
    assert all(len(each) == 1 for each in fingerprints.values())


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"message": "item 17 is bad"}, {"message": "item 29 is bad"}, True),
        ({"message": "item 7"}, {"message": "item 17"}, False),
        ({"message": "at 0x12"}, {"message": "at 1x12"}, False),
        ({"type": "a", "message": "b"}, {"type": "ab", "message": ""}, False),
        ({"message": "7", "traceback": "in f\nE: 7\n"}, {"message": "8", "traceback": "in f\nE: 8\n"}, True),
        ({"message": "7", "traceback": "in f1\nE: 7\n"}, {"message": "7", "traceback": "in f2\nE: 7\n"}, False),
        ({"items": [{"message": "7"}], "message": "a"}, {"message": "8"}, True),
        ("text 7", {"message": "text 8"}, True),
        ([1], {"message": "[2]"}, True),
        (None, {}, True),
    ],
)
def test_the_key_of_an_error_ignores_digits_of_its_message(client: Client, one: Any, other: Any, is_same: bool) -> None:  # noqa: FBT001
    found = client.one("SELECT evtrack.error_key(%s) = evtrack.error_key(%s)", Jsonb(one), Jsonb(other))
    assert is_same is found

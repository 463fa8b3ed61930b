"""How the command line formats numbers, times and unusual text."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from evtrack.domain.text import json_text, printable, printable_json, printable_lines
from evtrack.interfaces.words import formatting


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("PubMed:8528200", "PubMed:8528200"),
        ("β-catenin 漢字", "β-catenin 漢字"),
        ("red\x1b[31m", r"red\x1b[31m"),
        ("two\nlines\r\tand", r"two\nlines\r\tand"),
        ("nul\x00bell\x07del\x7f", r"nul\x00bell\x07del\x7f"),
        ("c1\x9b31m", r"c1\x9b31m"),
        ("turned\u202etxt.exe", r"turned\u202etxt.exe"),
        ("hidden\u200b", r"hidden\u200b"),
        ("no\u00a0break", "no break"),
        ("half\ud800", r"half\ud800"),
    ],
)
def test_terminal_control_characters_are_escaped(given: str, shown: str) -> None:
    assert shown == printable(given)
    assert "\x1b" not in printable(given)


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert "abcd…" == printable("abcdefgh", 5)
    assert "abcde" == printable("abcde", 5)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0ms"),
        (0.25, "250ms"),
        (1.26, "1.3s"),
        (59.4, "59s"),
        (60, "1m 0s"),
        (3_600, "1h 0m 0s"),
        (93_784, "1d 2h 3m 4s"),
    ],
)
def test_durations_are_readable(seconds: float, shown: str) -> None:
    assert shown == formatting.duration(seconds)


def test_times_are_in_utc() -> None:
    at = datetime(2026, 11, 24, 22, 5, tzinfo=timezone(timedelta(hours=1)))
    assert "2026-11-24 21:05:00Z" == formatting.moment(at) == formatting.moment(at.astimezone(UTC))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.count(1234567), "1,234,567"),
        (formatting.count(None), "-"),
        (formatting.counted(1, "batch", "batches"), "1 batch"),
        (formatting.counted(2, "batch", "batches"), "2 batches"),
        (formatting.counted(1000, "item"), "1,000 items"),
        (formatting.percentage(99.9), "99.9 %"),
        (formatting.percentage(None), "-"),
        (formatting.pace_of(None), ""),
        (formatting.pace_of(0.0), ""),
        (formatting.pace_of(55.14), "55.1 items/s"),
        (formatting.pace_of(12345.6), "12,346 items/s"),
    ],
)
def test_numbers_are_readable(shown: str, expected: str) -> None:
    assert expected == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"key": "β-catenin 漢字 no\u00a0break"}, '{"key": "β-catenin 漢字 no\u00a0break"}'),
        ("c1\x9b31m next\x85line del\x7f", r'"c1\u009b31m next\u0085line del\u007f"'),
        ("lines\u2028and\u2029", r'"lines\u2028and\u2029"'),
        ("\u202aturned\u202e \u2066\u2069", r'"\u202aturned\u202e \u2066\u2069"'),
        ("half\ud800, tag\U000e0041", r'"half\ud800, tag\udb40\udc41"'),
        ({"esc\x1b": ["\t"]}, r'{"esc\u001b": ["\t"]}'),
    ],
)
def test_json_keeps_terminal_control_characters_escaped(given: object, shown: str) -> None:
    assert shown == json_text(given)
    assert given == json.loads(shown)


def test_json_of_users_keeps_its_meaning() -> None:
    given = '{"a":\t"\u202e",\r"b": "\x7f"}'
    assert json.loads(given) == json.loads(printable_json(given))
    assert '{"a":\t"\\u202e",\r"b": "\\u007f"}' == printable_json(given)


def test_our_own_line_breaks_are_kept() -> None:
    assert "What is wrong\\x1b\nWhat to do next,…" == printable_lines("What is wrong\x1b\nWhat to do next, and on", 17)

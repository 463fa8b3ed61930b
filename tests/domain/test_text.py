"""Text from outside: what is kept, escaped and cut for the terminal, JSON and the database."""

import pytest

from evtrack.domain.text import json_text, printable, printable_lines, quoted, storable


@pytest.mark.parametrize(
    ("expected", "text", "limit", "keep_end"),
    [
        ("abc", "abc", 3, False),
        ("abc ...", "abcd", 3, False),
        ("... bcd", "abcd", 3, True),
        ("ä\\0\\ud800", "ä\0\ud800", 9, False),
        ("\\0", "\0", 9, False),
    ],
)
def test_stored_text_is_cut_and_has_no_characters_that_postgresql_rejects(
    expected: str,
    text: str,
    limit: int,
    keep_end: bool,  # noqa: FBT001
) -> None:
    assert expected == storable(text, limit, keep_end=keep_end)


def test_the_beginning_of_stored_text_is_kept_by_default() -> None:
    assert "a ..." == storable("abc", 1)


def test_a_rejected_value_is_quoted_up_to_a_limit() -> None:
    assert "'a\\n'" == quoted("a\n")
    assert "5" == quoted(5)
    assert ("'" + "x" * 98 + "'", "'" + "x" * 98 + "…") == (quoted("x" * 98), quoted("x" * 99))
    assert "'x…" == quoted("xyz", 3)


def test_lines_are_printed_with_expanded_tabs_and_without_a_limit() -> None:
    assert "a   b\nccccc" == printable_lines("a\tb\nccccc")
    assert "a…\nb" == printable_lines("aaa\nb", 2)


def test_invisible_characters_and_surrogates_are_escaped() -> None:
    assert "\\ud800 a\\x1b" == printable("\ud800\u00a0a\x1b")


def test_json_is_readable_and_converts_other_values() -> None:
    assert '{"ä": "\\u007f", "b": "5"}' == json_text({"ä": "\x7f", "b": 5j}, default=lambda value: str(value.imag)[0])  # type: ignore[attr-defined]

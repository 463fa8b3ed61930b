"""Clean text from outside: for a terminal, for one line of JSON, and for the database."""

import json
from collections.abc import Callable
from unicodedata import category


def printable(text: object, limit: int = 0) -> str:
    """Make text from outside safe to print on one line of a terminal.

    Args:
        text: Anything; keys, names and errors come from users' data.
        limit: The most characters to keep; 0 keeps all.

    Returns:
        The text with control characters, line breaks, terminal escapes and invisible or bidirectional controls
        escaped.
    """
    line = str(text)
    shown = line if line.isprintable() else "".join(_escaped(character) for character in line)
    return shown if not limit or len(shown) <= limit else f"{shown[: limit - 1]}…"


def printable_lines(text: str, limit: int = 0) -> str:
    """Make text of several lines safe to print on a terminal.

    Args:
        text: A message of evtrack, with values from outside in it.
        limit: The most characters of each line to keep; 0 keeps all.

    Returns:
        The text, each line made printable.
    """
    return "\n".join(printable(line.expandtabs(4), limit) for line in text.split("\n"))


def quoted(value: object, limit: int = 100) -> str:
    """Quote a rejected value.

    Args:
        value: The value as it was given.
        limit: The most characters of it to show.

    Returns:
        The value in quotes, made printable, with an ellipsis where it is cut.
    """
    return printable(repr(value), limit)


def json_text(value: object, default: Callable[[object], object] | None = None) -> str:
    """Write a value as one line of readable JSON that is safe to print on a terminal.

    Args:
        value: Anything made of dicts, lists, tuples, strings, numbers and None.
        default: Converts anything else to such a value.

    Returns:
        One line; letters stay as they are, control characters become escapes.
    """
    return printable_json(json.dumps(value, default=default, ensure_ascii=False))


def printable_json(text: str) -> str:
    """Make a line of JSON safe to print on a terminal, without changing what it means.

    Args:
        text: JSON from any source.

    Returns:
        The line, with control characters and invisible or bidirectional controls as JSON escapes.
    """
    if text.isprintable():
        return text
    return "".join(character if _json_keeps(character) else _json_escaped(character) for character in text)


def storable(text: str, limit: int, *, keep_end: bool = False) -> str:
    """Make text acceptable to PostgreSQL's text and jsonb.

    Args:
        text: Any text, also with NUL or lone surrogates, which PostgreSQL rejects.
        limit: The most characters to keep.
        keep_end: Keep the end of a long text, not its beginning.

    Returns:
        The text with those characters escaped, and an ellipsis of three dots where it is cut.
    """
    if len(text) > limit:
        text = f"... {text[-limit:]}" if keep_end else f"{text[:limit]} ..."
    if not text.isascii() or "\0" in text:
        text = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return text


def _json_keeps(character: str) -> bool:
    # JSON allows tabs and carriage returns between its tokens, where an escape would be a syntax error.
    return character.isprintable() or character in "\t\r" or category(character) == "Zs"


def _json_escaped(character: str) -> str:
    # json.dumps writes a character beyond the first plane as a surrogate pair, as JSON requires.
    return json.dumps(character)[1:-1]


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if category(character) == "Zs":
        return " "
    return character.encode("unicode_escape", "surrogatepass").decode()

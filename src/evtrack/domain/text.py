"""Text from outside, made harmless."""

import json
from collections.abc import Callable
from unicodedata import category


def plain(text: object, limit: int = 0) -> str:
    """Make text from outside safe to print on one line of a terminal.

    Args:
        text: Anything; keys, names and errors come from people's data.
        limit: Cut to so many characters; 0 leaves the length alone.

    Returns:
        The text with control characters, newlines, terminal escapes, and what turns or hides text, written out.
    """
    said = str(text)
    shown = said if said.isprintable() else "".join(_harmless(character) for character in said)
    return shown if not limit or len(shown) <= limit else f"{shown[: limit - 1]}…"


def quoted(value: object, limit: int = 100) -> str:
    """Quote a value that is refused.

    Args:
        value: What somebody gave.
        limit: Show so many characters of it at most.

    Returns:
        The value in quotes, its control characters written out, with a mark where it is cut.
    """
    return plain(repr(value), limit)


def plain_lines(text: str, limit: int = 0) -> str:
    """Make text of several lines safe to print on a terminal.

    Args:
        text: Our own words, with values of others in them.
        limit: Cut each line to so many characters; 0 leaves the length alone.

    Returns:
        The text, each line made harmless.
    """
    return "\n".join(plain(line.expandtabs(4), limit) for line in text.split("\n"))


def json_text(value: object, default: Callable[[object], object] | None = None) -> str:
    """Write a value as JSON that is readable, and safe to print on a terminal.

    Args:
        value: Anything made of dicts, lists, tuples, strings, numbers and None.
        default: Makes such a value of anything else.

    Returns:
        One line; letters as they are, what steers a terminal, turns or hides text as escapes.
    """
    return harmless_json(json.dumps(value, default=default, ensure_ascii=False))


def harmless_json(text: str) -> str:
    """Escape in a line of JSON what steers a terminal, turns or hides text; it means the same as before.

    Args:
        text: JSON, of whoever's making.

    Returns:
        The line.
    """
    if text.isprintable():
        return text
    return "".join(character if _stands(character) else _json_escape(character) for character in text)


def _stands(character: str) -> bool:
    # JSON allows tab and carriage return between its tokens, where no escape can stand.
    return character.isprintable() or character in "\t\r" or category(character) == "Zs"


def _json_escape(character: str) -> str:
    # As JSON has it outside of the first plane, in two halves.
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    if category(character) == "Zs":
        return " "
    return character.encode("unicode_escape", "surrogatepass").decode()

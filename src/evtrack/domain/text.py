"""Text from outside, made harmless."""

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


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    if category(character) == "Zs":
        return " "
    return character.encode("unicode_escape", "surrogatepass").decode()

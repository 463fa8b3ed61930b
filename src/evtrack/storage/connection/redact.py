"""Keeps passwords out of messages: libpq repeats pieces of a connection string that it cannot read."""

import re
from typing import Final
from urllib.parse import unquote

_WORD: Final = re.compile(r"\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))", re.IGNORECASE)
_SHORTEST: Final = 3
"""Pieces shorter than this are left: they would blot out half of a message and tell nothing."""


def without_secrets(text: str, dsn: str) -> str:
    """Blot out what may be the password of a connection string, or a piece of it.

    Args:
        text: A message that may repeat parts of the connection string.
        dsn: The connection string, in whatever state it is.

    Returns:
        The message with asterisks in their place.
    """
    for piece in sorted(_pieces(dsn), key=len, reverse=True):
        text = text.replace(piece, "***")
    return text


def _pieces(dsn: str) -> set[str]:
    found = [word[0] or word[1] for word in _WORD.findall(dsn)]
    if "://" in dsn:
        # Unquoted, the password may itself hold what ends it: so up to the last @, whole and in parts.
        userinfo = dsn.split("://", 1)[1].rpartition("@")[0]
        found.append(userinfo.partition(":")[2])
        found += re.findall(r"[?&]password=([^&#]*)", dsn)
    texts = [*found, *map(unquote, found)]
    parts = [part for text in texts for part in re.split(r"[@:/?#&\s]", text)]
    return {piece for piece in [*texts, *parts] if len(piece) >= _SHORTEST}

"""Keeps passwords out of messages and command lines; libpq's messages repeat parts of an invalid connection string."""

import re
from typing import Any, Final
from urllib.parse import unquote

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_WORD: Final = re.compile(r"\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))", re.IGNORECASE)
_SHORTEST: Final = 3
"""Shorter pieces stay: replacing them would garble the message, and they reveal nothing."""


def without_secrets(text: str, dsn: str) -> str:
    """Replace what may be the password of a connection string, or a piece of it.

    Args:
        text: A message that may repeat parts of the connection string.
        dsn: The connection string, valid or not.

    Returns:
        The message with asterisks in their place.
    """
    for piece in sorted(_pieces(dsn), key=len, reverse=True):
        text = text.replace(piece, "***")
    return text


def without_password(dsn: str) -> tuple[str, str | None]:
    """Take the password out of a connection string, for places where others may read it.

    Returns:
        The connection string without it, and the password if there was one.
    """
    given: dict[str, Any] = dict(conninfo_to_dict(dsn))
    password = given.pop("password", None)
    return make_conninfo("", **given), None if password is None else str(password)


def _pieces(dsn: str) -> set[str]:
    found = [word[0] or word[1] for word in _WORD.findall(dsn)]
    if "://" in dsn:
        # An unquoted password may contain the character that ends it: so up to the last @, whole and in parts.
        userinfo = dsn.split("://", 1)[1].rpartition("@")[0]
        found.append(userinfo.partition(":")[2])
        found += re.findall(r"[?&]password=([^&#]*)", dsn)
    texts = [*found, *map(unquote, found)]
    parts = [part for text in texts for part in re.split(r"[@:/?#&\s]", text)]
    return {piece for piece in [*texts, *parts] if len(piece) >= _SHORTEST}

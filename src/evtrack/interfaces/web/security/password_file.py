"""A file of users and their passwords: one `user:scrypt:...` a line, made by `evtrack web --password-line USER`."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import scrypt
from typing import TYPE_CHECKING, Final, Self

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted
from evtrack.interfaces.web.security.identity import is_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_COST: Final = (2**15, 8, 3)
"""N, r and p of new passwords: 32 MiB, and some tenths of a second."""

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_SPARE_BYTES: Final = 1 << 20
_MOST_BYTES: Final = 1 << 28
_MOST_P: Final = 16
_METHOD: Final = "scrypt"


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password that can be checked, and not read.

    Args:
        cost: N, r and p of scrypt.
        salt: What makes equal passwords differ.
        digest: What scrypt makes of it.
    """

    cost: tuple[int, int, int]
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str) -> Self:
        """Make one of a password."""
        salt = secrets.token_bytes(_SALT_BYTES)
        return cls(_COST, salt, _derived(password, _COST, salt))

    def fits(self, password: str) -> bool:
        """Return whether this is the password, in constant time."""
        return hmac.compare_digest(_derived(password, self.cost, self.salt), self.digest)

    def text(self) -> str:
        """Write it for a line of the file."""
        encoded = (b64encode(each).decode() for each in (self.salt, self.digest))
        return ":".join([_METHOD, *map(str, self.cost), *encoded])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it.

        Raises:
            ValueError: It is not one, or would take too much memory.
        """
        method, n, r, p, salt, digest = text.split(":")
        cost = (int(n), int(r), int(p))
        found = cls(cost, b64decode(salt, validate=True), b64decode(digest, validate=True))
        is_bounded = min(cost) > 0 and _memory(cost) <= _MOST_BYTES and cost[2] <= _MOST_P
        if method != _METHOD or not is_bounded or len(found.digest) != _HASH_BYTES:
            raise ValueError
        _derived("", cost, found.salt)  # N must be a power of 2
        return found


def password_line(user: str, password: str) -> str:
    """Make a line of the file.

    Raises:
        BadArgument: The user cannot have that name, or the password is empty.
    """
    if not is_name(user) or ":" in user or user.startswith("#") or user != user.strip():
        raise BadArgument(f"Not a user name: {quoted(user)}.", hint="Leave out colons, and # at the beginning.")
    if not password:
        raise BadArgument("The password is empty.")
    return f"{user}:{PasswordHash.of(password).text()}"


def read_passwords(path: Path) -> Mapping[str, PasswordHash]:
    """Read a file of users and their passwords; empty lines and those that begin with # are comments.

    Raises:
        BadArgument: The file cannot be read, has a line that is not one, or has no user.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"Cannot read the file of passwords: {error}.") from None
    found: dict[str, PasswordHash] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            user, password = _user_of(line)
        except ValueError:
            raise BadArgument(
                f"Line {number} of {path} is not a user with a password.",
                hint="Make one with: evtrack web --password-line USER",
            ) from None
        found[user] = password
    if not found:
        raise BadArgument(f"{path} names no user.", hint="Make a line with: evtrack web --password-line USER")
    return found


def _user_of(line: str) -> tuple[str, PasswordHash]:
    user, _, rest = line.strip().partition(":")
    if not is_name(user):
        raise ValueError
    return user, PasswordHash.parse(rest)


def _derived(password: str, cost: tuple[int, int, int], salt: bytes) -> bytes:
    n, r, p = cost
    secret = password.encode("utf-8", "surrogatepass")
    return scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=_memory(cost) + _SPARE_BYTES, dklen=_HASH_BYTES)


def _memory(cost: tuple[int, int, int]) -> int:
    n, r, p = cost
    return 128 * r * (n + p)

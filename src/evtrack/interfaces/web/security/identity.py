"""Who asks: each way to log in answers that for a request, or says how to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.routing import BaseRoute

USER: Final = "evtrack.user"
"""Where the scope of a request has who asks."""

MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class User:
    """Who asks.

    Args:
        name: As the log has it; empty where nobody can be told from another.
    """

    name: str


class Login(Protocol):
    """A way to log in."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The pages that it needs, which everybody may ask for."""
        ...

    async def user(self, request: HTTPConnection) -> User | Response:
        """Return who asks, or the answer for somebody who must log in first, who logs in with it, or who may not."""
        ...


def user_of(request: HTTPConnection) -> User:
    """Return who asks; a request that needs no login is nobody's."""
    found = request.scope.get(USER)
    return found if isinstance(found, User) else User("")


def is_name(text: str) -> bool:
    """Return whether a text may be the name of a user: some printable characters, and not too many."""
    return 0 < len(text) <= MAX_NAME and text.isprintable()

"""Who asks: each way to log in answers that for a request, or says how to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class User:
    """Who asks.

    Args:
        name: As the log has it; empty where nobody can be told from another.
    """

    name: str


class Login(Protocol):
    """A way to log in."""

    def user(self, request: HTTPConnection) -> User | Response:
        """Return who asks, or the answer for somebody who must log in first, who logs in with it, or who may not."""
        ...

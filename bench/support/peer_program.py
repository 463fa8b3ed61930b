"""The command line of a peer's program: measure it, or be one of its workers."""

import json
import sys
from typing import Any, Protocol

from support import measures
from support.contender import Contender
from support.row import report


class Peer(Protocol):
    """A peer's class."""

    def __call__(self, server: str, **settings: Any) -> Contender:
        """Create its database."""

    def work(self, dsn: str, settings: dict[str, Any]) -> None:
        """Be a worker until this process is stopped."""


def main(peer: Peer) -> None:
    """Run the program.

    Args:
        peer: The peer's class; its `work` is a static method.
    """
    if sys.argv[1] == "--worker":
        peer.work(sys.argv[2], json.loads(sys.argv[3]))
        return

    def measure(server: str, *, what: str, settings: dict[str, Any] | None = None, **sizes: Any) -> dict[str, float]:
        return dict(getattr(measures, what)(peer(server, **(settings or {})), **sizes))

    report(measure)

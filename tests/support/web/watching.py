"""Viewers and topics for tests of what is shown live."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evtrack.storage.connection.error_translation import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evtrack.runtime.live.topics import Frame
    from evtrack.storage.connection.connect import Connection

HUB_THREAD = "evtrack-live"


class Watching:
    """A viewer that keeps what it is offered."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.regions: dict[str, str] = {}
        self.is_over = False

    def offer(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.regions.update(frame.regions)

    def end(self) -> None:
        self.is_over = True

    @property
    def outage(self) -> str:
        """What the latest frame says about it."""
        return self.frames[-1].outage if self.frames else ""


@dataclass(frozen=True, slots=True, eq=False)
class QueryTopic:
    """A topic with one region, the result of a query.

    Args:
        key: Its key.
        query: What it reads.
        every_s: The least time between two reads.
        reads: Counts them by key.
        on_read: Called with each.
        width: How many times the region has the result.
    """

    key: str
    query: str = "SELECT 1"
    every_s: float = 0.0
    reads: Counter[str] = field(default_factory=Counter)
    on_read: Callable[[], Any] = lambda: None
    width: int = 1

    def read(self, conn: Connection) -> Any:
        self.reads[self.key] += 1
        self.on_read()
        with translated():
            row = conn.execute(self.query.encode()).fetchone()
        return row and row[0]

    def render(self, model: Any) -> Mapping[str, str]:
        return {"shown": f"{model} " * self.width}


def hub_threads() -> int:
    """Return how many threads of hubs there are."""
    return sum(thread.name == HUB_THREAD for thread in threading.enumerate())

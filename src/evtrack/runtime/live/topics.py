"""What is watched, and who watches it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from evtrack.storage.connection.connect import Connection


class Topic(Protocol):
    """Something to watch: what to read, and how to show it."""

    @property
    def key(self) -> Hashable:
        """What distinguishes it from others."""
        ...

    @property
    def every_s(self) -> float:
        """The least time between two reads."""
        ...

    def read(self, conn: Connection) -> Any:
        """Read the model."""
        ...

    def render(self, model: Any) -> Mapping[str, str]:
        """Render the regions of a model by name."""
        ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Frame:
    """What a viewer gets: the regions that it does not have yet, and the state of the hub.

    All viewers of a topic get the same object, so that what one makes of it can serve the others.

    Args:
        regions: Rendered text by name.
        version: Identifies all regions of the topic; equal versions show the same.
        period_s: The time between two rounds at present.
        outage: Why nothing new comes; empty while the database answers.
    """

    regions: Mapping[str, str]
    version: str
    period_s: float
    outage: str = ""


class Viewer(Protocol):
    """Somebody who watches a topic; called from the hub's thread."""

    def offer(self, frame: Frame) -> None:
        """Take a frame; it must not block, and may replace an earlier one that was not sent yet."""
        ...

    def end(self) -> None:
        """Stop watching: the hub is closed."""
        ...


def regions_version(regions: Mapping[str, str]) -> str:
    """Identify what a topic shows.

    Args:
        regions: Its regions by name.

    Returns:
        A digest: equal regions have the same.
    """
    digest = hashlib.blake2b(digest_size=9)
    for name, text in sorted(regions.items()):
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()

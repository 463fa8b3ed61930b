"""What the hub knows of a topic: who watches it, what it showed last, and how often it may be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from evtrack.runtime.live.topics import Frame, Topic, Viewer, regions_version
from evtrack.storage.connection.snapshot import ReadCost

if TYPE_CHECKING:
    from collections.abc import Mapping

REST: Final = 10
"""After a read, a topic rests for this many times as long as the read took."""

LONGEST_REST_S: Final = 60.0

_DOUBLINGS: Final = 4
"""After so many failures in a row, the pause grows no more."""


@dataclass(slots=True, eq=False)
class Watched:
    """A topic that somebody watches; the hub's lock guards what other threads read."""

    topic: Topic
    viewers: set[Viewer] = field(default_factory=set)
    regions: dict[str, str] = field(default_factory=dict)
    version: str = ""
    period_s: float = 0.0
    outage: str = ""
    model: Any = None
    cost: ReadCost = field(default_factory=ReadCost)
    read_at: float = 0.0
    took_s: float = 0.0
    last_s: float = 0.0
    failures: int = 0
    rested_at: float = 0.0
    due_at: float = 0.0

    def state(self) -> Frame:
        """Return all that there is to show."""
        return Frame(dict(self.regions), self.version, self.period_s, self.outage)

    def take(self, regions: Mapping[str, str], *, period_s: float, outage: str) -> Frame | None:
        """Take what was rendered.

        Args:
            regions: The regions; none if they could not be read.
            period_s: The time until they are read again.
            outage: Why they could not be read.

        Returns:
            What has changed; None if nothing has.
        """
        changed = {name: text for name, text in regions.items() if self.regions.get(name) != text}
        if not changed and (outage, period_s) == (self.outage, self.period_s):
            return None
        self.regions.update(changed)
        if changed:
            self.version = regions_version(self.regions)
        self.outage, self.period_s = outage, period_s
        return Frame(changed, self.version, period_s, outage)

    def was_read(self, at: float, took_s: float, *, failed: bool) -> None:
        """Note how long a read took, and whether it failed."""
        # The lower of two: one slow read among fast ones, such as the first of all, says nothing.
        self.took_s, self.last_s = took_s if failed else min(self.last_s, took_s), took_s
        self.failures = self.failures + 1 if failed else 0
        self.rested_at = at + self._rest_s()

    def interval_s(self, period_s: float) -> float:
        """Return the time between two reads.

        Args:
            period_s: The time between two rounds.
        """
        return max(period_s, self.topic.every_s, round(self._rest_s()))

    def _rest_s(self) -> float:
        pause_s = 2.0 ** min(self.failures, _DOUBLINGS) if self.failures else 0.0
        return min(LONGEST_REST_S, max(pause_s, REST * self.took_s))

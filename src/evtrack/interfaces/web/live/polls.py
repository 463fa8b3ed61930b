"""What those see who poll instead of streaming: read once for all of them."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from evtrack.runtime.live.hub import MAX_TOPICS
from evtrack.runtime.live.topics import regions_version

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from evtrack.interfaces.web.site import PageTopic, Site

_FRESH_S: Final = 2.0
"""A browser polls every five seconds; what another one has read this long ago at most will do."""


class Polled(NamedTuple):
    """The regions of a topic, and when they were read."""

    regions: Mapping[str, str]
    version: str
    at: float


class Polls:
    """Reads topics for those who poll, each at most once in a while; safe to use from threads.

    Args:
        site: What they are read with.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = Lock()
        self._polled: dict[Hashable, Polled] = {}

    def read(self, topic: PageTopic) -> Polled:
        """Return the regions of a topic: the hub's if it is watched, too."""
        latest = self._site.hub.latest(topic)
        if latest is not None:
            return Polled(latest.regions, latest.version, monotonic())
        with self._lock:
            known = self._polled.get(topic.key)
        if known is not None and monotonic() - known.at < max(_FRESH_S, topic.every_s):
            return known
        model, _ = self._site.pool.read(topic.read)
        regions = dict(topic.render(model))
        found = Polled(regions, regions_version(regions), monotonic())
        with self._lock:
            self._polled.pop(topic.key, None)
            self._polled[topic.key] = found
            while len(self._polled) > MAX_TOPICS:
                del self._polled[next(iter(self._polled))]
        return found

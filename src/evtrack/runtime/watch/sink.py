"""What a sink is: a destination of alerts besides the log, known to the database by a label that shows no secret."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from evtrack.domain.alerts.alert import Alert

_HASH_DIGITS: Final = 8


class SinkError(Exception):
    """A sink did not accept an alert.

    Args:
        message: Why.
        retry_after_s: How long the sink asked to wait before the next attempt.
        final: Whether the sink asked for no more attempts.
    """

    def __init__(self, message: str, *, retry_after_s: float = 0.0, final: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.final = final


class Sink(Protocol):
    """A destination of alerts besides the log."""

    name: str
    """Its kind."""

    @property
    def label(self) -> str:
        """Its kind, where it leads, and a hash of the whole target: the same in each watcher that has it."""

    @property
    def limit_s(self) -> float:
        """How long one delivery takes at most."""

    def send(self, alert: Alert) -> None:
        """Deliver one alert, within a bounded time.

        Raises:
            SinkError: The sink did not accept it.
        """

    def abort(self) -> None:
        """Abort the delivery in progress; called from another thread."""


def label_of(kind: str, place: str, target: str) -> str:
    """Name a sink without its secrets.

    Args:
        kind: The kind of sink.
        place: The host or the program.
        target: The whole URL or command; only a short hash of it is shown.
    """
    shown = re.sub(r"[^\w.:-]+", "_", place)[:60]
    return f"{kind}:{shown}:{hashlib.sha256(target.encode(errors='surrogateescape')).hexdigest()[:_HASH_DIGITS]}"

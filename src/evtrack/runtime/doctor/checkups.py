"""Runs check-ups on request: one at a time, and not too often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.runtime.doctor.checkup import checkup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evtrack.runtime.doctor.findings import Finding

PAUSE_S: Final = 10.0
"""How long nobody can start another check-up: it opens connections of its own."""


@dataclass(frozen=True, slots=True)
class CheckUp:
    """What a check-up found.

    Args:
        at: When it began, by this machine's clock.
        findings: What it found, in the order of the checks.
    """

    at: datetime
    findings: list[Finding]


class CheckUps:
    """Runs check-ups without a canary; safe to use from threads.

    Args:
        dsn: The database.
        run: Runs one.
        clock: Returns a time in seconds that only grows.
    """

    def __init__(
        self,
        dsn: str,
        *,
        run: Callable[[str], Iterable[Finding]] = lambda dsn: checkup(dsn, canary_s=None),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._dsn, self._run, self._clock = dsn, run, clock
        self._lock = Lock()
        self._begun: float | None = None
        self._latest: CheckUp | None = None

    @property
    def latest(self) -> CheckUp | None:
        """The latest one, of any age; None if there was none."""
        return self._latest

    def run(self) -> CheckUp | None:
        """Run one, unless one is running or began less than ten seconds ago.

        Returns:
            The latest one; None if the first of all is running. Whoever comes meanwhile does not wait: a check-up of a
            server in trouble takes long, and readers that wait for it would leave none for pages.
        """
        if self._lock.acquire(blocking=False):
            try:
                if self._begun is None or self._clock() - self._begun >= PAUSE_S:
                    self._begun = self._clock()
                    at = datetime.now(UTC)
                    self._latest = CheckUp(at, list(self._run(self._dsn)))
            finally:
                self._lock.release()
        return self._latest
